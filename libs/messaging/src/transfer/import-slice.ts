import { err, ok, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import type { TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ImportedTo, ImportPart } from '../conversation/imported.ts';
import type { CurrentReads } from '../revise/current.ts';
import { nothingKnown, standingsOf } from '../sync/standings.ts';
import { voidEntry, type ImportedEntry } from './entry-line.ts';
import { importTargets } from './import-targets.ts';
import type { ConversationLine } from './lines.ts';
import type { ImportSlice, SliceRefused, SliceTaken } from './transfer-service.ts';

/** Entries of one commit: some milliseconds of Redis. */
const PART = 250;
/** Left out by the source between the entries of one slice, and before its first. More is a mistake of whoever made it. */
const HOLES_MAX = 100_000;
/** Members who are told of the conversation by one answer. */
const ANNOUNCED = 1_000;
const TOLD_AT_ONCE = 100;
/** How often a part is tried whose messages are changed by another import of the same conversation. */
const ROUNDS_MAX = 5;

/** Why the source leaves out too much, null when it does not. @param next - the seq that must come next. */
export function holesProblem(entries: readonly ImportedEntry[], next: SequenceId): SliceRefused | null {
  let [expected, left]: [number, number] = [next, HOLES_MAX];
  for (const { seq } of entries) {
    left -= Math.max(0, seq - expected);
    if (left < 0) {
      const message = `with seq ${String(seq)}, more than ${String(HOLES_MAX)} entries are left out behind ${String(next - 1)}`;
      return { ...frameError('bad_request', message), seq };
    }
    expected = Math.max(expected, seq + 1);
  }
  return null;
}

/** Puts `void` entries where the source has none, so that the Timeline has no hole (I3): one at a time, for they may be many. */
export function* withoutHoles(entries: readonly ImportedEntry[], next: SequenceId): Generator<ImportedEntry> {
  let [expected, at]: [number, number] = [next, entries[0]?.fields.at ?? 0];
  for (const entry of entries) {
    for (; expected < entry.seq; expected += 1) yield voidEntry(sequenceId(expected), at);
    yield entry;
    expected = Math.max(expected, entry.seq + 1);
    at = entry.fields.at;
  }
}

/** By what one commit takes; one without any when there are none. */
function* inParts(entries: Iterable<ImportedEntry>): Generator<readonly ImportedEntry[]> {
  let part: ImportedEntry[] = [];
  for (const entry of entries) {
    if (part.length === PART) {
      yield part;
      part = [];
    }
    part.push(entry);
  }
  yield part;
}

/**
 * Rejects with StoreUnavailable when the store cannot be read.
 */
export async function importSlice(
  calls: ActorCalls,
  reads: CurrentReads,
  { announced, after, ...slice }: ImportSlice,
): Promise<Result<SliceTaken, SliceRefused>> {
  // What there is of it already, before anything of this slice; an answer that was lost may have been the last one.
  const stands = await takePart(calls, reads, { ...slice, entries: [], isLast: false }, null);
  if (!stands.ok) return stands;
  let taken = stands.value;
  if (!taken.isDone) {
    if (after !== null && after > taken.seq) return err(lacking(slice.line, taken.seq, after));
    const fresh = slice.entries.filter(({ seq }) => seq > taken.seq);
    const follows = taken.seq === 0 ? slice.line.first : sequenceId(taken.seq + 1);
    // Where nobody says what came before, a hole in front may as well be what got lost on the way: that is refused below.
    const isFollowed = after !== null || fresh.length < slice.entries.length;
    const next = isFollowed ? follows : (fresh[0]?.seq ?? follows);
    const problem = holesProblem(fresh, next);
    if (problem !== null) return err(problem);
    const last = fresh.at(-1)?.seq ?? taken.seq;
    for (const entries of inParts(withoutHoles(fresh, next))) {
      const isLast = slice.isLast && (entries.at(-1)?.seq ?? last) === last;
      const outcome = await takePart(calls, reads, { ...slice, members: [], entries, isLast }, taken);
      if (!outcome.ok) return err(await refusalOf(calls, reads, { ...slice, entries }, taken, outcome.error));
      taken = outcome.value;
    }
  }
  const { seq, isDone } = taken;
  if (!isDone || !slice.isLast) return ok({ seq, isDone, announced: null });
  const told = await announce(calls, reads.timelines, slice.line, announced);
  return told.ok ? ok({ seq, isDone, announced: told.value }) : told;
}

/** A store that lost its end has lost what of the import was there: it must not become a hole. */
const lacking = ({ conversation }: ConversationLine, seq: SequenceId, after: SequenceId): SliceRefused =>
  frameError(
    'regressed',
    `of ${conversation} there is nothing behind seq ${String(seq)}, and this goes on behind ${String(after)}: import it again from there on`,
    { from: seq },
  );

/** What came before a part may be lost since: then none of its entries is to blame. */
async function refusalOf(
  calls: ActorCalls,
  reads: CurrentReads,
  part: Omit<ImportPart, 'targets'>,
  { seq: before }: ImportedTo,
  refusal: SliceRefused,
): Promise<SliceRefused> {
  if (refusal.seq === undefined || refusal.seq !== part.entries[0]?.seq) return refusal;
  const now = await takePart(calls, reads, { ...part, members: [], entries: [], isLast: false }, null);
  return now.ok && now.value.seq < before ? lacking(part.line, now.value.seq, before) : refusal;
}

/** @param stands - where the conversation stood last; null before that is known. */
async function takePart(
  calls: ActorCalls,
  reads: CurrentReads,
  part: Omit<ImportPart, 'targets'>,
  stands: ImportedTo | null,
): Promise<Result<ImportedTo, SliceRefused>> {
  const { conversation } = part.line;
  const ask = (whole: ImportPart): ReturnType<typeof calls.conversation<'import'>> =>
    calls.conversation(conversation, { t: 'import', part: whole });
  let now = stands;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const targets = now === null ? [] : await importTargets(calls, reads, conversation, now, part.entries);
    const outcome = await ask({ ...part, targets });
    if (!outcome.ok) return outcome;
    if (outcome.value !== 'stale') return ok(outcome.value);
    const asked = await ask({ ...part, entries: [], targets: [], isLast: false });
    if (!asked.ok) return asked;
    if (asked.value !== 'stale') now = asked.value;
  }
  return err(frameError('unavailable', `${conversation} is being imported by another one at the moment; try again`));
}

/**
 * Puts the conversation into the lists of its members, where they stand in it. Nothing of its entries goes into their
 * inboxes; devices that are connected are told once that they are to sync.
 *
 * @returns who was told last, when there are more.
 */
async function announce(
  calls: ActorCalls,
  timelines: TimelineReader,
  { conversation, about }: ConversationLine,
  after: UserId | null,
): Promise<Result<UserId | null, FrameError>> {
  if (about === null) return ok(null);
  const page = await calls.conversation(conversation, { t: 'exported', section: 'members', after, upTo: null });
  if (!page.ok) return page;
  const users = page.value.users.slice(0, ANNOUNCED);
  for (let from = 0; from < users.length; from += TOLD_AT_ONCE) {
    const some = users.slice(from, from + TOLD_AT_ONCE);
    const standings = await standingsOf(calls, timelines, conversation, some, nothingKnown);
    if (!standings.ok) return standings;
    const told = await Promise.all(
      [...standings.value].map(([user, standing]) => calls.user(user, { t: 'deliver', items: [standing] })),
    );
    const failed = told.find((one) => !one.ok);
    if (failed?.ok === false) return failed;
  }
  const isMore = page.value.next?.section === 'members' || users.length < page.value.users.length;
  return ok(isMore ? (users.at(-1) ?? null) : null);
}
