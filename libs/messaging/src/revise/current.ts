import { sees, type MembershipInterval } from '@millrace/diffusion';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import {
  decodeEntry,
  encodeEntry,
  fromBase64,
  WireEntry,
  type ControlBody,
  type EntryFields,
} from '@millrace/protocol';
import {
  conversationKey,
  StoreUnavailable,
  type AnsweredAt,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Visible } from '../conversation/commands.ts';
import { readEntry, wireEntry } from '../sync/read-messages.ts';
import { withTombstones } from '../erase/tombstone.ts';
import { readChanges, readExtent, readRevisions, type FoundRevisions, type RevisionReads } from './read-revisions.ts';
import { latestErasure, type Revision } from './revision.ts';
import { seenRevision } from './seen-revision.ts';

export interface CurrentReads extends Pick<RevisionReads, 'records'> {
  readonly timelines: TimelineReader;
}

/** How often a read is done anew that may have found what is not acknowledged yet. */
const ROUNDS_MAX = 3;

/**
 * Entries as they are to be shown now: what a Timeline holds, with what was changed since laid over it, as far as it is
 * for this user to see (I7). No change is shown before it is acknowledged (I1): one that lies behind the head that is known
 * is held against the head that the conversation tells, whose answer comes behind the commits before it.
 *
 * @param user - who is to see them: what they have deleted for themselves is hidden. Null: the deployment's backend.
 * @param reading - the entries, which are read at the same time as what says whether any were changed.
 * @param seen - what the conversation has told that they may see; null where it was not asked.
 *
 * Rejects with StoreUnavailable.
 */
export const current = (
  calls: ActorCalls,
  reads: CurrentReads,
  conversation: ConversationId,
  user: UserId | null,
  reading: Promise<readonly TimelineEntry[]>,
  seen: Visible | null,
): Promise<readonly WireEntry[]> =>
  laidOver(calls, reads, conversation, user, reading, seen, () => seenBy(calls, conversation, user));

/**
 * The same for all to whom the entries go that are told of them late, whatever else these see: as they were written, but
 * for what was taken back since.
 */
export const currentForAll = (
  calls: ActorCalls,
  reads: CurrentReads,
  conversation: ConversationId,
  reading: Promise<readonly TimelineEntry[]>,
  head: TimelineHead,
): Promise<readonly WireEntry[]> =>
  laidOver(calls, reads, conversation, null, reading, { head, intervals: [] }, async () => ({
    ...(await seenBy(calls, conversation, null)),
    intervals: [],
  }));

async function laidOver(
  calls: ActorCalls,
  { timelines, records }: CurrentReads,
  conversation: ConversationId,
  user: UserId | null,
  reading: Promise<readonly TimelineEntry[]>,
  told: Visible | null,
  ask: () => Promise<Visible>,
): Promise<readonly WireEntry[]> {
  const partition = calls.partitionOf(conversationKey(conversation));
  const reads = (since: AnsweredAt | undefined) => ({ records, partitionOf: () => partition, since });
  const [read, { extent: first, erased }] = await Promise.all([reading, readChanges(reads(told?.at), conversation)]);
  let seen = told;
  const erasure = latestErasure(erased);
  if (erasure > 0 && (seen === null || erasure > seen.head.seq)) seen = await ask();
  // Of what was erased a tombstone is shown from the moment on at which that is acknowledged, wherever its bytes still are.
  const entries = erasure === 0 || seen === null ? read : withTombstones(read, erased, seen.head.seq);
  if (first === null || entries.length === 0) return entries.map(wireEntry);
  let extent = first;
  const seqs = entries.map(({ seq }) => seq);
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const found = await readRevisions(reads(seen?.at), conversation, user, seqs, extent);
    if (found === null) return entries.map(wireEntry);
    const latest = latestOf(found);
    if (seen === null || latest > seen.head.seq) seen = await ask();
    const { head, intervals } = seen;
    const targets = unseenTargets(entries, found, intervals);
    const ofTargets =
      targets.length === 0 ? null : await readRevisions(reads(seen.at), conversation, null, targets, extent);
    if (Math.max(latest, latestOf(ofTargets)) <= head.seq) {
      const isTakenBack = (seq: SequenceId): boolean => (ofTargets?.revisions.get(seq)?.recalled ?? null) !== null;
      return shownAll(calls, timelines, conversation, entries, { ...found, intervals, isTakenBack });
    }
    extent = (await readExtent(reads(seen.at), conversation)) ?? extent;
    seen = null;
  }
  throw new StoreUnavailable(`what was changed in ${conversation} cannot be read at the moment`);
}

const latestOf = (found: FoundRevisions | null): number =>
  Math.max(0, ...[...(found?.revisions.values() ?? [])].map(({ rev }) => rev));

/** The head, and what this user may see up to there: nothing, when the conversation does not know them (any more). */
async function seenBy(calls: ActorCalls, conversation: ConversationId, user: UserId | null): Promise<Visible> {
  const seen = await calls.conversation(conversation, { t: 'visible', user });
  if (seen.ok) return seen.value;
  if (user === null || seen.error.code !== 'not_member') throw new StoreUnavailable(seen.error.message);
  return { ...(await seenBy(calls, conversation, null)), intervals: [] };
}

/**
 * The messages of those `edited` entries that were overtaken by what the user does not see: they show what they say, unless
 * the message was taken back, which another entry may have done.
 */
const unseenTargets = (
  entries: readonly TimelineEntry[],
  { revisions }: FoundRevisions,
  intervals: readonly MembershipInterval[],
): readonly SequenceId[] =>
  entries.flatMap(({ seq, data }) => {
    const revision = revisions.get(seq);
    return revision?.redacted === true && !sees(intervals, revision.rev) ? [editedSeq(decodeEntry(data))] : [];
  });

interface Shown extends FoundRevisions {
  readonly intervals: readonly MembershipInterval[];
  /** Of a message that was edited by one of the entries. */
  isTakenBack(this: void, seq: SequenceId): boolean;
}

async function shownAll(
  calls: ActorCalls,
  timelines: TimelineReader,
  conversation: ConversationId,
  entries: readonly TimelineEntry[],
  { revisions, deleted, intervals, isTakenBack }: Shown,
): Promise<readonly WireEntry[]> {
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const bodyAt = async ({ edited, recalled }: Revision): Promise<EntryFields['body'] | null> => {
    if (edited === null || recalled !== null) return null;
    return editedBody(decodeEntry((await readEntry(timelines, at, edited)).data));
  };
  return Promise.all(
    entries.map(async (entry) => {
      const whole = revisions.get(entry.seq) ?? null;
      const revision = whole === null ? null : seenRevision(whole, intervals);
      const isDeleted = deleted.has(entry.seq);
      const stored = decodeEntry(entry.data);
      const isTaken = revision === null && whole?.redacted === true && isTakenBack(editedSeq(stored));
      if (revision === null && !isDeleted && !isTaken) return wireEntry(entry);
      const body = revision === null || isDeleted || stored.erased === true ? null : await bodyAt(revision);
      const fields = shown(stored, isTaken ? whole : revision, body, isDeleted);
      return new WireEntry(entry.gen, entry.seq, encodeEntry(fields));
    }),
  );
}

type EditedControl = Extract<ControlBody, { control: 'edited' }>;

const editedControl = ({ body }: Pick<EntryFields, 'body'>): EditedControl =>
  JSON.parse(typeof body === 'string' ? body : '{}') as EditedControl;

/** The message that an `edited` entry changes. */
const editedSeq = (entry: Pick<EntryFields, 'body'>): SequenceId => editedControl(entry).seq;

/** The body that an `edited` entry gives its message. */
export function editedBody(entry: Pick<EntryFields, 'body'>): EntryFields['body'] {
  const control = editedControl(entry);
  if (control.bodyBase64 === undefined) return control.body ?? '';
  const bytes = fromBase64(control.bodyBase64);
  if (!bytes.ok) throw new TypeError(`an edited entry has no base64 for its body: ${bytes.error}`);
  return bytes.value;
}

/**
 * One entry with what was changed of it.
 *
 * @param revision - as far as the reader sees it.
 * @param body - its present one, where that is another one.
 */
export function shown(
  entry: EntryFields,
  revision: Revision | null,
  body: EntryFields['body'] | null,
  isDeleted: boolean,
): EntryFields {
  if (entry.erased === true) return tombstone(entry, revision, isDeleted);
  if (revision?.redacted === true) return withoutBody(entry);
  const rev = revision === null ? {} : { rev: revision.rev };
  const edited = revision === null || revision.edited === null ? {} : { editedAt: revision.edited.at };
  const recalled = recalledField(revision);
  const replies = repliesField(revision);
  if (!isDeleted && revision?.recalled === null) {
    const reactions = revision.reactions.length === 0 ? {} : { reactions: revision.reactions };
    return { ...entry, ...rev, ...edited, ...reactions, ...replies, ...(body === null ? {} : { body }) };
  }
  const { mentions: _mentions, mentionAll: _mentionAll, ...rest } = entry;
  return { ...rest, body: '', ...rev, ...recalled, ...replies, ...(isDeleted ? { deleted: true } : {}) };
}

/** Nothing of what it said is left, but what has come in its thread. */
function tombstone(entry: EntryFields, revision: Revision | null, isDeleted: boolean): EntryFields {
  if (entry.type === 'control' || entry.type === 'void') return entry;
  const rev = revision === null ? {} : { rev: revision.rev };
  return { ...entry, ...rev, ...repliesField(revision), ...(isDeleted ? { deleted: true } : {}) };
}

function recalledField(revision: Revision | null): Pick<EntryFields, 'recalled'> {
  if (revision === null || revision.recalled === null) return {};
  const { by, at } = revision.recalled;
  return { recalled: { by, at } };
}

function repliesField(revision: Revision | null): Pick<EntryFields, 'replies'> {
  if (revision === null || revision.replies === null) return {};
  const { count, last } = revision.replies;
  return { replies: { count, last } };
}

/** An `edited` entry of which only is told that it is one. */
function withoutBody(entry: EntryFields): EntryFields {
  const { control, seq } = editedControl(entry);
  return { ...entry, body: JSON.stringify({ control, seq }) };
}
