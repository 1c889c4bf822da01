import type { Cancel, NodeId } from '@millrace/kernel';
import type { EntryHead, LinkRecord } from './entry.ts';
import { judge, type Incoming } from './incoming.ts';
import type { Outgoing } from './outgoing.ts';

/** What {@link Links} knows of one other node. */
export interface Link {
  readonly node: NodeId;
  readonly outgoing: Outgoing;
  incoming: Incoming | null;
  /** When an entry of that node came last, monotonic. */
  heardMs: number;
  /** The epoch to begin, as soon as no entry is under way. */
  restart: { readonly epoch: number; readonly isForgotten: boolean } | null;
  /** Whether the next entry is to be packed in this turn of the event loop. */
  flushDue: boolean;
  /** The one entry that is under way, until it was surely added. */
  inFlight: Uint8Array | null;
  attempts: number;
  /** Ends the wait before `inFlight` is tried again; null while it is not waiting. */
  retry: Cancel | null;
  /** Ends the wait for a sign of life; null while nothing is unanswered or unconfirmed. */
  watch: Cancel | null;
  ended: boolean;
}

export const newLink = (node: NodeId, outgoing: Outgoing, incoming: Incoming | null, heardMs: number): Link => ({
  node,
  outgoing,
  incoming,
  heardMs,
  restart: null,
  flushDue: false,
  inFlight: null,
  attempts: 0,
  retry: null,
  watch: null,
  ended: false,
});

/** Whether nothing is lost when it is forgotten. What is remembered of the other side is found out again. */
export const isIdle = ({ outgoing, inFlight }: Link): boolean =>
  outgoing.unanswered === 0 && !outgoing.hasNext && inFlight === null;

/** Whether something that was sent may not have arrived, or may have no answer that arrives. */
export const isUncertain = ({ outgoing, incoming }: Link): boolean =>
  outgoing.unanswered > 0 || outgoing.confirmedSeq < outgoing.seq || incoming?.broken === true;

const notesIn = (records: readonly LinkRecord[]): number => {
  let notes = 0;
  for (const record of records) {
    if (record.kind === 'note') notes += 1;
    else if (record.kind === 'lost') notes += record.count;
  }
  return notes;
};

/**
 * Takes note of an entry: of what the other side has heard, and of where it stands itself.
 *
 * @param nextEpoch - gives an epoch that was never used, above the one that it is given.
 */
export function hear(
  link: Link,
  head: EntryHead,
  records: readonly LinkRecord[],
  nextEpoch: (above: number) => number,
): { readonly take: boolean; readonly gap: boolean } {
  const { outgoing } = link;
  if (head.heard !== null) {
    const { epoch, seq, broken } = head.heard;
    // An earlier user of this node's name has used up these epochs.
    if (epoch > outgoing.epoch && epoch > (link.restart?.epoch ?? 0))
      link.restart = { epoch: nextEpoch(epoch), isForgotten: true };
    else if (epoch === outgoing.epoch) {
      outgoing.confirm(seq);
      if (broken) link.restart ??= { epoch: nextEpoch(epoch), isForgotten: false };
    }
  }
  const { incoming, take, gap, lost, tell } = judge(link.incoming, head, notesIn(records));
  link.incoming = incoming;
  if (tell || head.asks) outgoing.owe();
  if (lost && outgoing.awaits) link.restart ??= { epoch: nextEpoch(outgoing.epoch), isForgotten: false };
  return { take, gap };
}
