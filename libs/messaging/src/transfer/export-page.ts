import { err, ok, sequenceId, type ConversationId, type Result, type SequenceId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, keptFrom } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ExportFrom } from '../conversation/exported.ts';
import { withTombstones } from '../erase/tombstone.ts';
import type { CurrentReads } from '../revise/current.ts';
import { readChanges } from '../revise/read-revisions.ts';
import { positionsOf, readDense, withinBytes } from '../sync/read-messages.ts';
import { entryLine } from './entry-line.ts';
import { decodeExportCursor, encodeExportCursor, type ExportCursor } from './export-cursor.ts';
import type { ExportedLine, ExportPage, ExportQuery } from './transfer-service.ts';

const ENTRIES = 500;

/** Lines in one answer, about: a small conversation takes one. */
const LINES = 500;

/**
 * A page of one conversation: first what it keeps beside its entries, then those up to the head that it had when its export
 * began. What comes meanwhile is left out, as a whole.
 *
 * Rejects with StoreUnavailable when the store cannot be read.
 */
export async function exportPage(
  calls: ActorCalls,
  reads: CurrentReads,
  query: ExportQuery,
): Promise<Result<ExportPage, FrameError>> {
  const lines: ExportedLine[] = [];
  for (let { cursor } = query; ;) {
    const step = await exportStep(calls, reads, { ...query, cursor });
    // What there is goes out; whoever asks for the rest is told why there is none.
    if (!step.ok) return lines.length === 0 ? step : ok({ lines, next: cursor });
    lines.push(...step.value.lines);
    cursor = step.value.next;
    if (cursor === null || lines.length >= LINES) return ok({ lines, next: cursor });
  }
}

async function exportStep(
  calls: ActorCalls,
  reads: CurrentReads,
  { conversation, cursor: text, from }: ExportQuery,
): Promise<Result<ExportPage, FrameError>> {
  if (text === null) {
    if (from === undefined) return statePage(calls, conversation, { section: 'members', after: null, upTo: null });
    return entriesPage(calls, reads, conversation, { from, upTo: null });
  }
  const cursor = decodeExportCursor(text);
  if (cursor === null) return err(frameError('bad_request', 'the cursor is none that this server gave: begin again'));
  if (cursor.section === 'entries') return entriesPage(calls, reads, conversation, cursor);
  return statePage(calls, conversation, cursor);
}

async function statePage(
  calls: ActorCalls,
  conversation: ConversationId,
  at: ExportFrom,
): Promise<Result<ExportPage, FrameError>> {
  const page = await calls.conversation(conversation, { t: 'exported', ...at });
  if (!page.ok) return page;
  const { line, lines, next } = page.value;
  const upTo = at.upTo ?? line.last;
  const cursor: ExportCursor = next === null ? { section: 'entries', from: line.first, upTo } : { ...next, upTo };
  return ok({ lines: at.upTo === null ? [line, ...lines] : lines, next: encodeExportCursor(cursor) });
}

async function entriesPage(
  calls: ActorCalls,
  { timelines, records }: CurrentReads,
  conversation: ConversationId,
  at: { readonly from: SequenceId; readonly upTo: SequenceId | null },
): Promise<Result<ExportPage, FrameError>> {
  const end = (last: SequenceId): Result<ExportPage, FrameError> =>
    ok({ lines: [{ end: conversation, last }], next: null });
  // Of one that has blocks and nothing else.
  if (at.upTo === 0) return end(at.upTo);
  const seen = await calls.conversation(conversation, { t: 'visible', user: null });
  if (!seen.ok) return seen;
  const { head, at: since } = seen.value;
  const upTo = at.upTo ?? head.seq;
  if (upTo > head.seq) {
    const message = `${conversation} has lost what came after seq ${String(head.seq)} since its export began: begin it again`;
    return err(frameError('regressed', message, { from: head.seq }));
  }
  const first = keptFrom(head);
  if (at.upTo !== null && first > at.from && at.from <= upTo) {
    const message = `${conversation} keeps nothing before seq ${String(first)} any more since its export began: begin it again`;
    return err(frameError('gone', message, { from: first }));
  }
  const from = sequenceId(Math.max(at.from, first));
  if (from > upTo) return end(upTo);
  const to = sequenceId(Math.min(upTo, from + ENTRIES - 1));
  const actor = conversationKey(conversation);
  const where = { partition: calls.partitionOf(actor), actor };
  const entries = withinBytes(await readDense(timelines, where, positionsOf(head, { from, to }), 'forward'));
  const { erased } = await readChanges({ records, partitionOf: () => where.partition, since }, conversation);
  const lines = withTombstones(entries, erased, head.seq).map(({ seq, data }) => entryLine(seq, data));
  const last = entries.at(-1)?.seq ?? upTo;
  if (last >= upTo) return ok({ lines: [...lines, { end: conversation, last: upTo }], next: null });
  return ok({ lines, next: encodeExportCursor({ section: 'entries', from: sequenceId(last + 1), upTo }) });
}
