import { fromUtf8, generation, sequenceId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import type { Reaction, Replies } from '@millrace/protocol';

/** An `edited` entry, and when it was sequenced. */
export interface EditedIn {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly at: number;
}

/**
 * What was changed of one entry since it was stored, which itself never changes. It says where the present body stands
 * and not what that is: bodies stand in the Timeline alone.
 *
 * Kept in the record `r:<conversation>` beside the conversation's own, one field for each entry that was ever changed:
 *   <seq>          JSON {"rev", "edited"?: [gen, seq, at], "earlier"?: [[gen, seq, at], …],
 *                  "recalled"?: [by or null, at, seq], "redacted"?: true,
 *                  "reactions"?: [[emoji, count, [user, …]], …], "reacted"?: seq,
 *                  "replies"?: [count, last, [seq, …]]}
 *   <seq>/<k>      JSON [seq, …]: the replies of that thread from number 64 · k on, 64 of them, which do not change any more
 *   <seq>:<user>   '' : that user has deleted it for themselves
 *   <seq>!<user>   JSON [emoji, …]: how that user has reacted to it
 *   x              JSON [first, last]: no entry before or behind them was ever changed
 *   u              JSON [[user, upTo, rev], …]: what they have sent up to there is erased, as the entry at `rev` tells
 */
export interface Revision {
  /** The last entry that changed it. */
  readonly rev: SequenceId;
  /** The `edited` entry that has its last body; null for its own. Of a recalled message, too, which shows none. */
  readonly edited: EditedIn | null;
  /** Those before it that somebody may have left behind of, rising: to them the last one of these is its body (I7). */
  readonly earlier: readonly EditedIn[];
  /** Null as `by` for the deployment's backend. `seq`: the entry that took it back. */
  readonly recalled: { readonly by: UserId | null; readonly at: number; readonly seq: SequenceId } | null;
  /** Of an `edited` entry: the body in it is not shown any more to who sees `rev`. */
  readonly redacted: boolean;
  readonly reactions: readonly Reaction[];
  /** The last entry that changed these; null for none. */
  readonly reacted: SequenceId | null;
  /** Of the first message of a thread; null for none. */
  readonly replies: ThreadReplies | null;
}

/** The replies of a thread: how many, and those that fill no chunk yet. */
export interface ThreadReplies extends Replies {
  /** Rising, fewer than a chunk. */
  readonly tail: readonly SequenceId[];
}

export const unrevised: Omit<Revision, 'rev'> = {
  edited: null,
  earlier: [],
  recalled: null,
  redacted: false,
  reactions: [],
  reacted: null,
  replies: null,
};

/**
 * What is stored of the message that somebody wants to change. The conversation's actor does no I/O: it is told this by
 * the node that asks it, which has it from the store and never from the client (I11). Of the entry itself it stays true,
 * for entries do not change; what was changed of it is as of `gen`, `asOf`, and the actor knows what came since.
 */
export interface TargetFacts {
  readonly seq: SequenceId;
  /** Null when the server itself speaks. */
  readonly from: UserId | null;
  /** When it was sequenced. */
  readonly at: number;
  /** Whether it is a message, and counts. */
  readonly countable: boolean;
  /** Whether it is the server's word, which nobody changes. */
  readonly isControl: boolean;
  readonly revision: Revision | null;
  /** The asking user has deleted it for themselves. */
  readonly isDeleted: boolean;
  /** How the asking user has reacted. */
  readonly emojis: readonly string[];
  /** The first message of the thread that it stands in by what it answers; null for none. */
  readonly thread: SequenceId | null;
  /** The acknowledged head when this was read: the revision is not behind it. */
  readonly gen: Generation;
  readonly asOf: SequenceId;
}

/** What became of one entry, as of a head; see {@link TargetFacts}. */
export type RevisionFacts = Pick<TargetFacts, 'seq' | 'revision' | 'gen' | 'asOf'>;

/** Between which entries all those are that were ever changed. */
export interface Extent {
  readonly first: SequenceId;
  readonly last: SequenceId;
}

export const EXTENT = 'x';
export const revisionField = (seq: SequenceId): string => String(seq);
export const reactionsField = (seq: SequenceId, user: UserId): string => `${String(seq)}!${user}`;
/** @param index - of the chunk of replies, from 0. */
export const repliesField = (thread: SequenceId, index: number): string => `${String(thread)}/${String(index)}`;
export const deletionField = (seq: SequenceId, user: UserId): string => `${String(seq)}:${user}`;

type StoredEdit = readonly [gen: number, seq: number, at: number];

interface StoredRevision {
  readonly rev: number;
  readonly edited?: StoredEdit;
  readonly earlier?: readonly StoredEdit[];
  readonly recalled?: readonly [by: UserId | null, at: number, seq?: number];
  readonly redacted?: true;
  readonly reactions?: readonly (readonly [emoji: string, count: number, users: readonly UserId[]])[];
  readonly reacted?: number;
  readonly replies?: readonly [count: number, last: number, tail: readonly number[]];
}

const storedEdit = ({ gen, seq, at }: EditedIn): StoredEdit => [gen, seq, at];
const editOf = ([gen, seq, at]: StoredEdit): EditedIn => ({ gen: generation(gen), seq: sequenceId(seq), at });

const repliesOf = ([count, last, tail]: NonNullable<StoredRevision['replies']>): ThreadReplies => ({
  ...{ count, last: sequenceId(last), tail: tail.map(sequenceId) },
});

export const encodeRevision = ({
  rev,
  edited,
  earlier,
  recalled,
  redacted,
  reactions,
  reacted,
  replies,
}: Revision): string =>
  JSON.stringify({
    rev,
    ...(edited === null ? {} : { edited: storedEdit(edited) }),
    ...(earlier.length === 0 ? {} : { earlier: earlier.map(storedEdit) }),
    ...(recalled === null ? {} : { recalled: [recalled.by, recalled.at, recalled.seq] as const }),
    ...(redacted ? { redacted } : {}),
    ...(reactions.length === 0
      ? {}
      : { reactions: reactions.map(({ emoji, count, users }) => [emoji, count, users] as const) }),
    ...(reacted === null ? {} : { reacted }),
    ...(replies === null ? {} : { replies: [replies.count, replies.last, replies.tail] as const }),
  } satisfies StoredRevision);

export function decodeRevision(bytes: Uint8Array): Revision {
  const stored = JSON.parse(fromUtf8(bytes)) as StoredRevision;
  const { rev, edited, earlier = [], recalled, redacted = false, reactions = [], replies } = stored;
  // A record of a former version does not say which entry it was of several: the last one.
  const { reacted = reactions.length === 0 ? null : rev } = stored;
  const [by = null, at = 0, takenBack = rev] = recalled ?? [];
  return {
    rev: sequenceId(rev),
    edited: edited === undefined ? null : editOf(edited),
    earlier: earlier.map(editOf),
    recalled: recalled === undefined ? null : { by, at, seq: sequenceId(takenBack) },
    redacted,
    reactions: reactions.map(([emoji, count, users]) => ({ emoji, count, users })),
    reacted: reacted === null ? null : sequenceId(reacted),
    replies: replies === undefined ? null : repliesOf(replies),
  };
}

export const decodeEmojis = (bytes: Uint8Array): readonly string[] => JSON.parse(fromUtf8(bytes)) as string[];

export const encodeReplies = (seqs: readonly SequenceId[]): string => JSON.stringify(seqs);

export const decodeReplies = (bytes: Uint8Array): readonly SequenceId[] =>
  (JSON.parse(fromUtf8(bytes)) as number[]).map(sequenceId);

export const encodeExtent = ({ first, last }: Extent): string => JSON.stringify([first, last]);

export function decodeExtent(bytes: Uint8Array): Extent {
  const [first, last] = JSON.parse(fromUtf8(bytes)) as readonly [number, number];
  return { first: sequenceId(first), last: sequenceId(last) };
}

/** The extent with this entry in it. */
export const widened = (extent: Extent | null, seq: SequenceId): Extent =>
  extent === null
    ? { first: seq, last: seq }
    : { first: sequenceId(Math.min(extent.first, seq)), last: sequenceId(Math.max(extent.last, seq)) };

/** What a user has sent up to `upTo` is erased. The entry at `rev` tells so. */
export interface ErasedAuthor {
  readonly upTo: SequenceId;
  readonly rev: SequenceId;
}

export type ErasedAuthors = ReadonlyMap<UserId, ErasedAuthor>;

export const ERASED = 'u';
export const nobodyErased: ErasedAuthors = new Map();

/** The last entry that tells of an erasure; 0 for none. */
export const latestErasure = (authors: ErasedAuthors): number =>
  Math.max(0, ...[...authors.values()].map(({ rev }) => rev));

export const encodeErased = (authors: ErasedAuthors): string =>
  JSON.stringify([...authors].map(([user, { upTo, rev }]) => [user, upTo, rev] as const));

export function decodeErased(bytes: Uint8Array): ErasedAuthors {
  const stored = JSON.parse(fromUtf8(bytes)) as readonly (readonly [user: UserId, upTo: number, rev: number])[];
  return new Map(stored.map(([user, upTo, rev]) => [user, { upTo: sequenceId(upTo), rev: sequenceId(rev) }]));
}
