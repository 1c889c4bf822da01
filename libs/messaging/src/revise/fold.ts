import type { SequenceId, UserId } from '@millrace/kernel';
import { withReaction, withReply } from '@millrace/protocol';
import { unrevised, type EditedIn, type Revision } from './revision.ts';

/*
 * What an entry makes of the message that it changes: pure, the same for the conversation's actor and for whoever goes
 * through entries that are there already.
 */

/** Earlier edits that are kept of one message; who left before all of them is shown it as it was sent (I9). */
const EARLIER_MAX = 50;

/**
 * The message has another body.
 *
 * @param lastLeft - the last entry by which anybody left: what was edited up to there is still its body to somebody. Of two
 *   edits with no leave between them nobody sees the first and not the second.
 */
export function withEdit(before: Revision | null, edited: EditedIn, lastLeft: SequenceId): Revision {
  const { edited: last, earlier, ...rest } = before ?? { ...unrevised, rev: edited.seq };
  const kept = last !== null && last.seq <= lastLeft ? [...earlier, last].slice(-EARLIER_MAX) : earlier;
  return { ...rest, rev: edited.seq, edited, earlier: kept };
}

/** The message was taken back. Where its bodies stood stays known: to who looks into what became of it. */
export const withRecall = (before: Revision | null, recalled: NonNullable<Revision['recalled']>): Revision => ({
  ...(before ?? unrevised),
  rev: recalled.seq,
  recalled,
  reactions: [],
  reacted: null,
});

/** A user has reacted to the message, or has taken that back, by the entry `rev`. */
export const withReacted = (
  before: Revision | null,
  rev: SequenceId,
  user: UserId,
  emoji: string,
  isOn: boolean,
): Revision => ({
  ...(before ?? unrevised),
  rev,
  reactions: withReaction(before?.reactions ?? [], user, emoji, isOn),
  reacted: rev,
});

/** Replies in one chunk. */
export const CHUNK = 64;

/**
 * The message at `seq` stands in this message's thread.
 *
 * @returns with a chunk where this reply fills one, which is stored for itself from then on.
 */
export function withThreadReply(
  before: Revision | null,
  seq: SequenceId,
): {
  readonly revision: Revision;
  readonly chunk: { readonly index: number; readonly seqs: readonly SequenceId[] } | null;
} {
  const known = before?.replies ?? null;
  const { count } = withReply(known ?? undefined, seq);
  const seqs = [...(known?.tail ?? []), seq];
  const isFull = seqs.length === CHUNK;
  const replies = { count, last: seq, tail: isFull ? [] : seqs };
  return {
    revision: { ...(before ?? unrevised), rev: seq, replies },
    chunk: isFull ? { index: count / CHUNK - 1, seqs } : null,
  };
}

/** An `edited` entry whose message has another body since, or none, by the entry `rev`. */
export const overtaken = (rev: SequenceId): Revision => ({ ...unrevised, rev, redacted: true });
