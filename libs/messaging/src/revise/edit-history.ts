import { visibleRanges } from '@millrace/diffusion';
import {
  err,
  ok,
  sequenceId,
  type ConversationId,
  type Generation,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { decodeEntry, frameError, type ControlBody, type FrameError, type SendableType } from '@millrace/protocol';
import { conversationKey, generationOf } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Visible } from '../conversation/commands.ts';
import { withTombstones } from '../erase/tombstone.ts';
import { readEntry, tooOldError } from '../sync/read-messages.ts';
import { editedBody, type CurrentReads } from './current.ts';
import { readChanges } from './read-revisions.ts';
import { revisionFacts } from './target-facts.ts';

/** What a message said at a time. */
export interface MessageVersion {
  readonly gen: Generation;
  /** The entry that said it: the message's own, or the one that edited it. */
  readonly seq: SequenceId;
  /** Who; null when the server itself spoke. */
  readonly by: UserId | null;
  readonly at: number;
  readonly body: string | Uint8Array;
}

/** What became of one message: for the deployment itself, and for the owner and admins of the conversation. */
export interface EditHistory {
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  readonly type: SendableType;
  /** It was erased for good: all that there is of it is where it stands. */
  readonly erased?: true;
  /** The latest first, down to what was sent; from a page on, the next ones. */
  readonly versions: readonly MessageVersion[];
  /** The entry from which the next page goes on; null on the last one. */
  readonly next: SequenceId | null;
  readonly recalled: {
    readonly seq: SequenceId;
    readonly by: UserId | null;
    readonly at: number;
    readonly reason: string | null;
  } | null;
}

export interface EditHistoryQuery {
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** `next` of the page before. */
  readonly from?: SequenceId;
  /** A user who asks: they must keep order in the conversation, and see the message. Absent for the deployment itself. */
  readonly by?: UserId;
  readonly limit: number;
}

/**
 * Everything that a message has ever said, also what was overtaken or recalled, but nothing that was erased: each edit names the one before, so that
 * nothing is searched for. Entries are read wherever they are, the archive included.
 *
 * Rejects with StoreUnavailable.
 */
export async function editHistory(
  calls: ActorCalls,
  reads: CurrentReads,
  { conversation, seq, from, by, limit }: EditHistoryQuery,
): Promise<Result<EditHistory, FrameError>> {
  if (by !== undefined) {
    // Whoever may see who is banned may see what was said (I11).
    const may = await calls.conversation(conversation, { t: 'bans', by, after: null, limit: 1 });
    if (!may.ok) return may;
  }
  const seen = await calls.conversation(conversation, { t: 'visible', user: by ?? null });
  if (!seen.ok) return seen;
  const { head, intervals } = seen.value;
  const isHidden = by !== undefined && visibleRanges(intervals, { from: seq, to: seq }).length === 0;
  const tooOld = tooOldError(conversation, head, seq);
  if (tooOld !== null && !isHidden) return err(tooOld);
  const read = await entryReader(calls, reads, conversation, seen.value);
  const message = seq > head.seq || isHidden ? null : await read(seq);
  if (message === null || message.type === 'control' || message.type === 'void') {
    return err(frameError('not_found', `there is no message ${String(seq)} in ${conversation}`));
  }
  const facts = await revisionFacts(calls, reads, conversation, seq);
  if (!facts.ok) return facts;
  const { revision } = facts.value;
  const versions: MessageVersion[] = [];
  const isErased = message.erased === true;
  let next: SequenceId | null = isErased ? seq : (from ?? revision?.edited?.seq ?? seq);
  while (next !== null && versions.length < limit) {
    const entry: Awaited<ReturnType<ReadEntry>> = next === seq ? message : await read(next);
    const control: ControlBody | null = controlOf(entry);
    const edited = control?.control === 'edited' && control.seq === seq ? control : null;
    // Who asks names the entry to go on from: it must be one of this message.
    if (entry === null || (edited === null && next !== seq)) {
      return err(frameError('bad_request', `entry ${String(next)} says nothing of message ${String(seq)}`));
    }
    const body = edited === null ? entry.body : editedBody(entry);
    versions.push({ gen: entry.gen, seq: next, by: entry.from, at: entry.at, body });
    next = edited === null ? null : (edited.previous ?? seq);
  }
  const taken = revision?.recalled ?? null;
  const recalled = taken === null ? null : { ...taken, reason: reasonOf(await read(taken.seq)) };
  const erased = isErased ? { erased: true as const } : {};
  return ok({ conversation, seq, type: message.type, ...erased, versions, next, recalled });
}

type ReadEntry = (seq: SequenceId) => Promise<(ReturnType<typeof decodeEntry> & { readonly gen: Generation }) | null>;

async function entryReader(
  calls: ActorCalls,
  { timelines, records }: CurrentReads,
  conversation: ConversationId,
  { head, at: since }: Visible,
): Promise<ReadEntry> {
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const { erased } = await readChanges({ records, partitionOf: () => at.partition, since }, conversation);
  return async (seq) => {
    const gen = generationOf(head, sequenceId(seq));
    if (gen === null) return null;
    const entry = await readEntry(timelines, at, { gen, seq });
    const [shown = entry] = withTombstones([entry], erased, head.seq);
    return { gen, ...decodeEntry(shown.data) };
  };
}

const controlOf = (entry: Awaited<ReturnType<ReadEntry>>): ControlBody | null =>
  entry?.type === 'control' ? (JSON.parse(String(entry.body)) as ControlBody) : null;

function reasonOf(entry: Awaited<ReturnType<ReadEntry>>): string | null {
  const control = controlOf(entry);
  return control?.control === 'recalled' ? (control.reason ?? null) : null;
}
