import type { ConversationId, PartitionId, SequenceId, UserId } from '@millrace/kernel';
import { conversationKey, revisionsKey, type ActorKey, type AnsweredAt, type RecordReader } from '@millrace/timeline';
import {
  decodeEmojis,
  decodeErased,
  decodeExtent,
  decodeRevision,
  deletionField,
  ERASED,
  EXTENT,
  nobodyErased,
  reactionsField,
  revisionField,
  type ErasedAuthors,
  type Extent,
  type Revision,
} from './revision.ts';

/** Where revisions are read. */
export interface RevisionReads {
  readonly records: RecordReader;
  partitionOf(this: void, key: ActorKey): PartitionId;
  /** Where the conversation has answered: what is read is to be of that or later. */
  readonly since?: AnsweredAt | undefined;
}

export interface FoundRevisions {
  readonly revisions: ReadonlyMap<SequenceId, Revision>;
  /** What the user has deleted for themselves. */
  readonly deleted: ReadonlySet<SequenceId>;
  /** How they have reacted, where that was asked for. */
  readonly emojis: ReadonlyMap<SequenceId, readonly string[]>;
}

/** Fields in one read. */
const FIELDS_MAX = 1_000;

/** What there is to be laid over the entries of a conversation. */
export interface KnownChanges {
  /** Between which entries all are that were ever changed; null for none. */
  readonly extent: Extent | null;
  /** Whose messages are erased. */
  readonly erased: ErasedAuthors;
}

/**
 * All that a conversation costs in which nothing was changed.
 *
 * Rejects with StoreUnavailable.
 */
export async function readChanges(
  { records, partitionOf, since }: RevisionReads,
  conversation: ConversationId,
): Promise<KnownChanges> {
  const partition = partitionOf(conversationKey(conversation));
  const stored = await records.fields(partition, revisionsKey(conversation), [EXTENT, ERASED], since);
  const [extent, erased] = [stored.get(EXTENT), stored.get(ERASED)];
  return {
    extent: extent === undefined ? null : decodeExtent(extent),
    erased: erased === undefined ? nobodyErased : decodeErased(erased),
  };
}

/** Rejects with StoreUnavailable. */
export const readExtent = async (reads: RevisionReads, conversation: ConversationId): Promise<Extent | null> =>
  (await readChanges(reads, conversation)).extent;

/**
 * What was changed of these entries, as it is stored: perhaps later than what is acknowledged.
 *
 * @param user - whose deletions are wanted, too; null for nobody's.
 * @param isWhole - also how they have reacted, as of the same moment.
 * @returns null for nothing.
 *
 * Rejects with StoreUnavailable.
 */
export async function readRevisions(
  { records, partitionOf, since }: RevisionReads,
  conversation: ConversationId,
  user: UserId | null,
  seqs: readonly SequenceId[],
  { first, last }: Extent,
  isWhole = false,
): Promise<FoundRevisions | null> {
  const partition = partitionOf(conversationKey(conversation));
  const key = revisionsKey(conversation);
  const within = seqs.filter((seq) => seq >= first && seq <= last);
  if (within.length === 0) return null;
  const names = within.flatMap((seq) => [
    revisionField(seq),
    ...(user === null ? [] : [deletionField(seq, user), ...(isWhole ? [reactionsField(seq, user)] : [])]),
  ]);
  const fields = new Map<string, Uint8Array>();
  for (let from = 0; from < names.length; from += FIELDS_MAX) {
    const page = await records.fields(partition, key, names.slice(from, from + FIELDS_MAX), since);
    for (const [name, value] of page) fields.set(name, value);
  }
  if (fields.size === 0) return null;
  const revisions = new Map<SequenceId, Revision>();
  const deleted = new Set<SequenceId>();
  const emojis = new Map<SequenceId, readonly string[]>();
  for (const seq of within) {
    const revision = fields.get(revisionField(seq));
    if (revision !== undefined) revisions.set(seq, decodeRevision(revision));
    if (user === null) continue;
    if (fields.has(deletionField(seq, user))) deleted.add(seq);
    const reacted = fields.get(reactionsField(seq, user));
    if (reacted !== undefined) emojis.set(seq, decodeEmojis(reacted));
  }
  return { revisions, deleted, emojis };
}
