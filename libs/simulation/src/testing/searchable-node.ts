import { systemClock, systemRandom, systemTimers, type NodeId } from '@millrace/kernel';
import {
  ChatNode,
  defaultLobbyLimits,
  defaultMessagingLimits,
  defaultRouterLimits,
  silentTrace,
} from '@millrace/messaging';
import { defaultLinkLimits } from '@millrace/node-link';
import { defaultPartitionLimits, STORE_FORMAT } from '@millrace/partition';
import { RedisStores } from '@millrace/redis-store';
import type { SearchIndex } from '@millrace/search';

const [clock, timers, random] = [systemClock, systemTimers, systemRandom];
export const PARTITIONS = 4;

/** One node over a real Redis and a real index, without sockets. */
export interface SearchableNode {
  readonly node: ChatNode;
  readonly stores: RedisStores;
  stop(): Promise<void>;
  /** It reaches Redis no more from here on, and hands nothing over. */
  crash(): void;
}

const nothing = (): void => undefined;
const log = { info: nothing, warn: nothing, error: nothing };

/** @param run - tells this run of the node from the one before. */
export async function startSearchableNode(url: string, search: SearchIndex, run = 1): Promise<SearchableNode> {
  const stores = await RedisStores.connect({
    url,
    ackLevel: 'memory',
    storeFormat: STORE_FORMAT,
    clock,
    timers,
    random,
  });
  if (!stores.ok) throw new Error(stores.error.message);
  const { partitions, cluster, timelines, records, nodeStreams } = stores.value;
  const node = new ChatNode({
    stores: { partitions, cluster, timelines, records },
    streams: nodeStreams,
    node: `one.${String(run)}` as NodeId,
    name: 'one',
    ...{ roles: ['gateway', 'actors'], url: '', socketUrl: '' },
    partitionCount: PARTITIONS,
    storeFormat: STORE_FORMAT,
    ackLevel: 'memory',
    leaseMs: 5_000,
    limits: {
      messaging: defaultMessagingLimits,
      lobbies: defaultLobbyLimits,
      partition: defaultPartitionLimits,
      resting: { actorsMax: 1_000, weightMax: 10_000 },
      placement: { movesPerRoundMax: PARTITIONS },
      router: defaultRouterLimits,
      links: defaultLinkLimits,
      stopDiffusionMs: 200,
      stopHandoffMs: 200,
      releaseMsMax: 200,
    },
    pushPort: {
      push: nothing,
      receipt: nothing,
      receipts: nothing,
      presence: nothing,
      typing: nothing,
      resync: nothing,
    },
    livePort: {
      ...{ entered: nothing, left: nothing, live: nothing, at: nothing, stands: nothing, over: nothing, gone: nothing },
    },
    sessionPort: { list: () => [], kick: () => 0, arrivals: () => [], replace: () => null },
    trace: silentTrace,
    search,
    ...{ clock, timers, random, log },
    onLost: nothing,
  });
  const stopListening = stores.value.onReconnect(() => {
    node.reclaim();
  });
  await node.start();
  return {
    node,
    stores: stores.value,
    async stop() {
      await node.stop();
      stopListening();
      stores.value.close();
    },
    crash() {
      stopListening();
      stores.value.close();
      // Nobody waits for it: there is nothing that it could release.
      void node.stop();
    },
  };
}
