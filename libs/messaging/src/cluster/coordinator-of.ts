import { Coordinator, type CoordinatorParts } from '@millrace/partition';
import type { ChatNodeParts } from '../chat-node-parts.ts';

/** What asks to lead the cluster on a node that takes part in that. */
export function coordinatorOf(
  { roles, stores, name, node, leaseMs, partitionCount, limits, clock, timers, log }: ChatNodeParts,
  known: Pick<CoordinatorParts, 'knownView' | 'announce'>,
): Coordinator | null {
  if (!roles.includes('actors')) return null;
  const cluster = { store: stores.cluster, name, node, leaseMs, partitionCount, limits: limits.placement };
  return new Coordinator({ ...cluster, clock, timers, log, ...known });
}
