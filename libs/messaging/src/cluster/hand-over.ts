import type { NodeId } from '@millrace/kernel';
import type { ClusterView, Membership } from '@millrace/partition';
import { hasHeirs } from './cluster-look.ts';
import type { Handoffs } from './handoffs.ts';
import type { PartitionHost } from './partition-host.ts';

export interface HandOverParts {
  readonly self: NodeId;
  readonly membership: Pick<Membership, 'drain' | 'tellNow' | 'isHeld'>;
  readonly host: Pick<PartitionHost, 'partitions'>;
  readonly handoffs: Pick<Handoffs, 'moving'>;
  /** The newest one that is carried out here. */
  view(this: void): ClusterView | null;
  until(this: void, isDone: () => boolean, msMax: number): Promise<void>;
  /** How long other nodes may take to take over. */
  readonly handoffMsMax: number;
}

/** How long the store may take to hear that this node goes. */
const TELL_MS_MAX = 1_000;

/**
 * Hands over what a node owns that stops. What it has left then, it has for good: nobody takes over, and nobody will be sent
 * anything by it.
 *
 * (E1) The mark of a clean stop is trusted only of whoever was to own a partition last (`claim-decision.ts`). So what a view
 *      gives to this node while it stops, it takes, and releases like the rest; and with others beside it, it does not go
 *      before the store has heard that it must be given nothing more, and it has heard of every view that was made until then.
 */
export async function handOver(parts: HandOverParts): Promise<void> {
  const { self, membership, host, handoffs, view, until, handoffMsMax } = parts;
  const othersTakeOver = (): boolean => hasHeirs(view(), self);
  if (view()?.members.some(({ node }) => node !== self) === true) {
    membership.drain();
    await until(membership.tellNow(), TELL_MS_MAX);
    const isEmpty = (): boolean => host.partitions.size === 0 && handoffs.moving === 0;
    // When all go at once, nobody is left to hand anything to.
    await until(() => isEmpty() || !othersTakeOver(), handoffMsMax);
    // A view that was being made from what was known before.
    await until(membership.tellNow(), TELL_MS_MAX);
  }
  await until(() => handoffs.moving === 0 || !membership.isHeld, handoffMsMax);
}
