import type { NodeId } from '@millrace/kernel';
import {
  ChatNode,
  defaultLobbyLimits,
  defaultMessagingLimits,
  defaultRouterLimits,
  NodeTrace,
  type Indexer,
} from '@millrace/messaging';
import { defaultLinkLimits } from '@millrace/node-link';
import { defaultPartitionLimits, type Commit } from '@millrace/partition';
import { userKey } from '@millrace/timeline';
import type { ModelConnection } from './model-connection.ts';
import type { ModelNodeStreams, ModelStreamsClient } from './model-node-streams.ts';
import type { ModelStore } from './model-store.ts';
import { indexOf } from './simulated-index.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { tiersOf } from './simulated-tiers.ts';
import { Sockets } from './sockets.ts';
import type { World } from './world.ts';

export const LEASE_MS = 3_000;

/** One run of the production code as one node of the cluster, with its own connections to the store. */
export class SimulatedNode {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly chatNode: ChatNode;
  readonly sockets: Sockets;
  /** What feeds the search index; absent where there is none. */
  readonly indexer: Indexer | undefined;
  readonly #connection: ModelConnection;
  readonly #streams: ModelStreamsClient;
  #serves = false;
  #isStopping = false;

  /** @param committed - told of every commit that this run knows is stored. */
  constructor(
    world: World,
    { name, run }: { readonly name: string; readonly run: number },
    committed: (commit: Commit) => void,
    lost: (node: SimulatedNode) => void,
  ) {
    const { level, partitionCount, storeFormat, inboxEntriesMax, sendWindow, heldMs } = world.options;
    const { readAbove, writeBelow, readAboveLoad, writeBelowLoad } = world.options;
    const nothing = (): void => undefined;
    const log = {
      info: nothing,
      warn: nothing,
      error: (message: string, fields?: unknown) => {
        world.saidError(message, fields);
      },
    };
    this.name = name;
    this.process = new SimulatedProcess(world.time.timers);
    this.#connection = world.store.connect();
    this.#streams = world.streams.connect();
    this.sockets = new Sockets({
      name: `${name}-${String(run)}`,
      history: world.history,
      live: world.live.port(),
      inboxOf: (user) => {
        const actor = userKey(user);
        return world.store.state.record(world.partitionOf(actor), actor).head;
      },
      generationOf: (user) => world.store.state.generationOf(world.partitionOf(userKey(user))),
      broke: (user) => {
        world.inboxBroke(user);
      },
    });
    const index = indexOf(world, this.process, log);
    this.indexer = index.indexer;
    this.chatNode = new ChatNode({
      ...tiersOf(world, this.process, this.process.reach(this.#connection, committed), log),
      ...index,
      streams: this.process.reachStreams(this.#streams),
      node: `${name}-${String(run)}` as NodeId,
      name,
      roles: ['gateway', 'actors', 'jobs'],
      url: '',
      socketUrl: '',
      partitionCount,
      storeFormat,
      ackLevel: level,
      leaseMs: LEASE_MS,
      limits: {
        messaging: {
          ...defaultMessagingLimits,
          ...{ inboxEntriesMax, readAbove, writeBelow, readAboveLoad, writeBelowLoad, sendWindow },
          loadWindowMs: 1_000,
          keysPerWindow: 8,
        },
        lobbies: defaultLobbyLimits,
        partition: {
          ...defaultPartitionLimits,
          cursorIdleMs: 200,
          held: { ageMsMax: heldMs, bytesMax: 1_000_000 },
        },
        // Few, so that actors are passivated and loaded again all the time.
        resting: { actorsMax: 6, weightMax: 200 },
        placement: { movesPerRoundMax: 2 },
        router: { ...defaultRouterLimits, waitMsMax: 3_000 },
        links: { ...defaultLinkLimits, silenceMs: 500 },
        stopDiffusionMs: 500,
        stopHandoffMs: 2_000,
        releaseMsMax: 300,
      },
      pushPort: this.sockets.pushPort,
      livePort: this.sockets.livePort,
      sessionPort: { list: () => [], kick: () => 0, arrivals: () => [], replace: () => null },
      // Small, so that it is over its bound all the time.
      trace: new NodeTrace(world.time.clock, 16),
      clock: world.time.clock,
      timers: this.process.timers,
      random: world.random,
      log,
      onLost: () => {
        lost(this);
      },
    });
    this.#connection.onReconnect(() => {
      this.process.enter(() => {
        this.chatNode.reclaim();
      });
    });
    void this.chatNode.start().then(() => {
      this.process.enter(() => {
        this.#serves = true;
      });
    });
  }

  /** Whether clients reach it: it has started, and not ended. */
  get serves(): boolean {
    return this.#serves && !this.process.isDead;
  }

  /** Whether it was told to stop. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    return this.chatNode.stop();
  }

  /** Its connections end; what was under way may still be executed. */
  cut(reconnectMs: number): void {
    this.#connection.cut(reconnectMs);
    this.#streams.cut(reconnectMs);
  }

  /** Of one that is gone: the store no longer keeps its connections. */
  forget(store: ModelStore, streams: ModelNodeStreams): void {
    store.forget(this.#connection);
    streams.forget(this.#streams);
  }

  kill(): void {
    this.process.kill();
  }
}
