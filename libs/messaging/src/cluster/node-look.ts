import type { ClusterView } from '@millrace/partition';
import type { ChatNodeStats, Readiness } from '../chat-node-parts.ts';
import type { Handoffs } from './handoffs.ts';
import type { PartitionHost } from './partition-host.ts';
import type { Router } from './router.ts';

/** Whether a node can answer requests now, and if not, why. */
export function readinessOf(
  { serving, partitions }: Pick<PartitionHost, 'serving' | 'partitions'>,
  view: ClusterView | null,
  isHeld: boolean,
  isStopping: boolean,
): Readiness {
  const reasons: string[] = [];
  if (serving < partitions.size) reasons.push(`${String(serving)} of ${String(partitions.size)} partitions serve`);
  if (!isHeld) reasons.push('the lease of this node has run out');
  if (view?.owners.some((owner) => owner === null) !== false) reasons.push('there are partitions without an owner');
  if (isStopping) reasons.push('the node is stopping');
  return { ok: reasons.length === 0, reasons };
}

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
    commandsQueued: host.queued,
    commandsRouting: router.waiting,
    commitsUndiffused: host.stats().reduce((sum, { undiffused }) => sum + undiffused, 0),
    viewVersion: router.view?.version ?? 0,
    members: router.view?.members.length ?? 0,
    ...sizes,
  };
}
