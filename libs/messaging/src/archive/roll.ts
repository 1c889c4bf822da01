import {
  describeArchiveError,
  planRoll,
  sameBytes,
  type AppendOutcome,
  type ArchiveChunk,
  type ArchiveStore,
  type Tiers,
} from '@millrace/archive';
import { sequenceId, type ConversationId, type SequenceId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import { conversationKey, keptFrom, StoreUnavailable, type Position, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { readDense } from '../sync/read-messages.ts';
import { agedRoll, atOf } from './aged.ts';
import { dropBefore, HELD, type IsHeld } from './drop-before.ts';

export interface RollLimits {
  /** Entries of a conversation that stay hot; up to a chunk more, for chunks go over whole. */
  readonly hotEntries: number;
  /** For how long at most, milliseconds of wall time. */
  readonly hotMs: number;
  readonly chunkEntries: number;
  /** Chunks of one conversation in one roll. */
  readonly chunksMax: number;
  /** Of all entries of one roll, after which each conversation gets a chunk in at most. */
  readonly bytesMax: number;
}

export interface RollParts {
  readonly archive: ArchiveStore;
  readonly isHeld: IsHeld;
  readonly timelines: TimelineReader;
  readonly calls: Pick<ActorCalls, 'conversation' | 'partitionOf'>;
  readonly limits: RollLimits;
  readonly nowMs: number;
}

/**
 * What came of one conversation. `more`: there is more to archive, or it changed meanwhile. `later`: its owner or its
 * Timeline could not be asked. `stuck`: the archive holds something else than the conversation, or something of it cannot be
 * read, so that it stays hot.
 */
export type Rolled =
  | { readonly code: 'done' | 'more'; readonly entries: number }
  | { readonly code: 'later' | 'stuck'; readonly reason: string };

/** The archive could not be asked: nothing of the roll may be taken for archived. */
export interface RollRefused {
  readonly code: 'unavailable';
  readonly reason: string;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface Planned {
  readonly conversation: ConversationId;
  readonly tiers: Tiers;
  readonly chunks: readonly ArchiveChunk[];
}

/**
 * Brings what need not be hot any more of some conversations into the archive, in one append, and has their owners say so:
 *
 * 1. each owner is asked how far its conversation is acknowledged and archived,
 * 2. the entries between are read, and appended to the archive,
 * 3. once the archive has confirmed them, the owner commits that: the entries leave the hot Timeline with that commit (I8).
 *
 * It may end behind each of these steps, and may be done by two nodes at once: the archive takes the same chunk twice and
 * no other one in its place, and an owner takes only what follows on what it has.
 */
export async function roll(
  parts: RollParts,
  conversations: readonly ConversationId[],
): Promise<ReadonlyMap<ConversationId, Rolled> | RollRefused> {
  const rolled = new Map<ConversationId, Rolled>();
  const planned: Planned[] = [];
  const room = { bytes: parts.limits.bytesMax };
  await Promise.all(
    conversations.map(async (conversation) => {
      const plan = await planOf(parts, conversation, room);
      if ('code' in plan) rolled.set(conversation, plan);
      else planned.push(plan);
    }),
  );
  return (await bring(parts, planned, rolled)) ?? rolled;
}

/** Has what was planned archived. @param rolled - told what came of each. */
async function bring(
  parts: RollParts,
  planned: readonly Planned[],
  rolled: Map<ConversationId, Rolled>,
): Promise<RollRefused | null> {
  const chunks = planned.flatMap((plan) => plan.chunks);
  let appended: Awaited<ReturnType<ArchiveStore['append']>> | null = null;
  try {
    if (chunks.length > 0) appended = await parts.archive.append(chunks);
  } catch (error) {
    const [plan] = planned;
    if (planned.length === 1 && plan !== undefined) {
      rolled.set(plan.conversation, await stuckOf(parts, plan, messageOf(error)));
      return null;
    }
    // One of them hits a defect, and the others are none the worse for it.
    for (const each of planned) {
      const refused = await bring(parts, [each], rolled);
      if (refused !== null) return refused;
    }
    return null;
  }
  if (appended?.ok === false) return { code: 'unavailable', reason: describeArchiveError(appended.error) };
  let at = 0;
  const concluded = planned.map(async (plan): Promise<RollRefused | null> => {
    const outcomes = appended?.value.slice(at, (at += plan.chunks.length)) ?? [];
    const outcome = await conclude(parts, plan, outcomes).catch(
      (error: unknown) => ({ code: 'stuck', reason: messageOf(error) }) as const,
    );
    if (outcome.code === 'unavailable') return outcome;
    rolled.set(plan.conversation, outcome.code === 'stuck' ? await stuckOf(parts, plan, outcome.reason) : outcome);
    return null;
  });
  return (await Promise.all(concluded)).find((refused) => refused !== null) ?? null;
}

/** Where a conversation stands, as its owner says while it has its lease. */
async function tiersOf(calls: RollParts['calls'], conversation: ConversationId): Promise<Tiers | Rolled> {
  const told = await calls.conversation(conversation, { t: 'tiers' });
  return told.ok ? told.value : refusedOf(told.error);
}

function refusedOf({ code, retry, message }: FrameError): Rolled {
  // A lobby that came to its end, or a conversation that the store has lost.
  if (code === 'not_found' || code === 'forbidden') return { code: 'done', entries: 0 };
  return { code: retry === 'later' ? 'later' : 'stuck', reason: message };
}

/**
 * It is stuck if its owner still says the same: meanwhile another owner may have gone on, who has archived a later generation, or
 * entries may have been archived, or let go of, by somebody else.
 */
async function stuckOf(
  { calls }: RollParts,
  { conversation, tiers }: Pick<Planned, 'conversation' | 'tiers'>,
  reason: string,
): Promise<Rolled> {
  const now = await tiersOf(calls, conversation);
  if ('code' in now) return now;
  const isSame =
    now.archivedTo === tiers.archivedTo &&
    now.head.gen === tiers.head.gen &&
    keptFrom(now.head) === keptFrom(tiers.head);
  return isSame ? { code: 'stuck', reason } : { code: 'more', entries: 0 };
}

/** What is to go over of one conversation. @param room - what is left of the roll's bytes. */
async function planOf(
  parts: RollParts,
  conversation: ConversationId,
  room: { bytes: number },
): Promise<Planned | Rolled> {
  const { calls, timelines, limits, nowMs } = parts;
  const { hotEntries, hotMs, chunkEntries, chunksMax } = limits;
  const tiers = await tiersOf(calls, conversation);
  if ('code' in tiers) return tiers;
  const actor = conversationKey(conversation);
  const place = { partition: calls.partitionOf(actor), actor };
  try {
    const at = (seq: number): Promise<number | null> => atOf(timelines, calls, conversation, tiers, seq);
    const tooMany = planRoll(tiers, { upTo: tiers.head.seq - hotEntries, chunkEntries, chunksMax });
    const spans =
      tooMany.length > 0
        ? tooMany
        : planRoll(tiers, await agedRoll(tiers, at, nowMs - hotMs, { chunkEntries, chunksMax }));
    const chunks: ArchiveChunk[] = [];
    for (const { gen, first, last } of spans) {
      if (chunks.length > 0 && room.bytes <= 0) break;
      const range = { from: { gen, seq: first }, to: { gen, seq: last } };
      const entries = (await readDense(timelines, place, range, 'forward')).map(({ data }) => data);
      chunks.push({ conversation, gen, first, entries });
      room.bytes -= entries.reduce((sum, { length }) => sum + length, 0);
    }
    return { conversation, tiers, chunks };
  } catch (error) {
    if (error instanceof StoreUnavailable) return { code: 'later', reason: error.message };
    // An entry that is not there, or that cannot be decoded.
    return stuckOf(parts, { conversation, tiers }, messageOf(error));
  }
}

async function conclude(
  parts: RollParts,
  { conversation, tiers, chunks }: Planned,
  outcomes: readonly AppendOutcome[],
): Promise<Rolled | RollRefused> {
  let to: Position | null = null;
  let problem: Rolled | RollRefused | null = null;
  for (const [index, chunk] of chunks.entries()) {
    const outcome = outcomes[index];
    if (outcome?.ok === true) {
      to = { gen: chunk.gen, seq: sequenceId(chunk.first + chunk.entries.length - 1) };
      continue;
    }
    if (outcome?.ok === false && outcome.error.code === 'hole' && outcome.error.expected < keptFrom(tiers.head)) {
      // What was too old has left the Timeline, and not yet the archive.
      const problem = await dropBefore(parts, conversation, tiers.head);
      if (problem === HELD) return { code: 'later', reason: problem };
      return problem === null ? { code: 'more', entries: 0 } : { code: 'unavailable', reason: problem };
    }
    const held = await heldAlready(parts.archive, chunk, outcome);
    if ('to' in held) to = { gen: chunk.gen, seq: held.to };
    else problem = held;
    break;
  }
  if (to === null) return problem ?? { code: 'done', entries: 0 };
  const { calls, limits } = parts;
  const { archivedTo: after } = tiers;
  const told = await calls.conversation(conversation, { t: 'archived', after, to });
  if (!told.ok) return refusedOf(told.error);
  if (problem !== null) return problem;
  const { head, archivedTo } = told.value;
  const isRoomLeft = chunks.length < limits.chunksMax;
  // A roll is of one generation: those behind it come next.
  const isLatest = to.gen === head.gen;
  const isFew = head.seq - archivedTo < limits.hotEntries + limits.chunkEntries;
  const isDone = archivedTo === to.seq && isRoomLeft && isLatest && isFew;
  return { code: isDone ? 'done' : 'more', entries: archivedTo === to.seq ? to.seq - after : 0 };
}

/**
 * The archive has something where a chunk begins: what an earlier roll brought there and told nobody, in chunks of other
 * lengths. If the entries are the same, they are archived.
 */
async function heldAlready(
  archive: ArchiveStore,
  { conversation, gen, first, entries }: ArchiveChunk,
  outcome: AppendOutcome | undefined,
): Promise<{ readonly to: SequenceId } | Rolled | RollRefused> {
  if (outcome === undefined || outcome.ok) return { code: 'later', reason: 'the archive gave no answer for a chunk' };
  const { error } = outcome;
  const stuck = { code: 'stuck', reason: describeArchiveError(error) } as const;
  if (error.code !== 'conflict' || error.archived === null || error.archived.first > first) return stuck;
  const last = sequenceId(Math.min(error.archived.last, first + entries.length - 1));
  const query = { from: { gen, seq: first }, to: { gen, seq: last }, limit: last - first + 1 };
  const read = await archive.read(conversation, { ...query, direction: 'forward' });
  if (!read.ok && read.error.code === 'unavailable')
    return { code: 'unavailable', reason: describeArchiveError(read.error) };
  if (!read.ok) return { code: 'stuck', reason: describeArchiveError(read.error) };
  const isSame =
    read.value.length === query.limit &&
    read.value.every(({ data }, index) => sameBytes(data, entries[index] ?? new Uint8Array()));
  return isSame ? { to: last } : stuck;
}
