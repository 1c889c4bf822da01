import type { ChatNodeStats } from '../chat-node-parts.ts';
import type { NodeStatus } from './cluster-status.ts';
import type { Handoffs } from './handoffs.ts';
import type { PartitionHost } from './partition-host.ts';
import type { Router } from './router.ts';

export function statsOf(
  host: PartitionHost,
  handoffs: Handoffs,
  router: Router,
  sizes: Pick<ChatNodeStats, 'actorsResting' | 'usersBehind' | 'linkCalls' | 'usersAttached'>,
): ChatNodeStats {
  return {
    partitionsOwned: host.partitions.size,
    partitionsServing: host.serving,
    partitionsMoving: handoffs.moving,
    lobbies: host.lobbies.size,
    commandsQueued: host.queued,
    commandsRouting: router.waiting,
    commitsUndiffused: host.stats().reduce((sum, { undiffused }) => sum + undiffused, 0),
    viewVersion: router.view?.version ?? 0,
    members: router.view?.members.length ?? 0,
    ...sizes,
  };
}

/** What an operator is told of this node. */
export function statusOf(
  host: PartitionHost,
  handoffs: Handoffs,
  router: Router,
  coordinator: string | null,
  usersAttached: number,
): NodeStatus {
  const viewVersion = router.view?.version ?? 0;
  return { viewVersion, coordinator, partitions: host.stats(), usersAttached, moving: handoffs.moving };
}
