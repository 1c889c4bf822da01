import { sequenceId, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import type { ControlBody, WireEntry } from '@millrace/protocol';
import { ByteBudget, conversationKey, generationOf, type TimelineEntry } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { current, type CurrentReads } from '../revise/current.ts';
import { positionsOf, readDense, wireEntry } from '../sync/read-messages.ts';
import { byTime, matchIn, type Match } from './match.ts';
import { readSingles } from './read-singles.ts';
import type { AskedQuery } from './search-query.ts';
import type { Extraction } from './searchable.ts';
import { isSeen, type SeenConversation } from './seen-conversation.ts';
import { unsearchedOf, type TailPlan, type TailRange, type Unsearched } from './tail-plan.ts';

/** Who reads, and where. */
export interface SearchReads {
  readonly calls: ActorCalls;
  readonly reads: CurrentReads;
  /** Null: the deployment's backend. */
  readonly user: UserId | null;
  readonly extract: Extraction;
}

/** What was found without the index. */
export interface Tail {
  /** The newest first. */
  readonly matches: readonly Match[];
  /** All messages that were looked at: what the index says of them is out of date. */
  readonly covered: ReadonlySet<string>;
  readonly unsearched: readonly Unsearched[];
}

export const messageKey = (conversation: ConversationId, seq: SequenceId): string => `${conversation} ${String(seq)}`;

/** Bytes of all tails in one answer (I9). */
const TAIL_BYTES_MAX = 4 * 1_048_576;

/**
 * Looks at what the index does not have yet: messages that came since, and those that were edited since; and at those that
 * it has as others see them.
 *
 * @param edited - of which it has another text than the asker sees.
 *
 * Rejects with StoreUnavailable.
 */
export async function readTail(
  parts: SearchReads,
  query: AskedQuery,
  plan: TailPlan,
  edited: ReadonlyMap<SeenConversation, readonly SequenceId[]>,
): Promise<Tail> {
  const budget = new ByteBudget(TAIL_BYTES_MAX);
  const [tails, others] = await Promise.all([
    Promise.all(plan.reads.map((range) => readRange(parts, range, budget))),
    Promise.all([...edited].map(([seen, seqs]) => readSeqs(parts, seen, seqs))),
  ]);
  const matches = new Map<string, Match>();
  const covered = new Set<string>();
  for (const { conversation, entries } of [...tails, ...others].flatMap(({ looked }) => looked)) {
    for (const entry of entries) {
      const key = messageKey(conversation, entry.seq);
      const match = matchIn(query, parts.extract, conversation, entry);
      covered.add(key);
      if (match !== null) matches.set(key, match);
    }
  }
  const unsearched = [...plan.unsearched, ...tails.flatMap((tail) => tail.unsearched)];
  return { matches: [...matches.values()].sort(byTime), covered, unsearched };
}

/** Messages as they stand now. */
interface Looked {
  readonly conversation: ConversationId;
  readonly entries: readonly WireEntry[];
}

interface RangeTail {
  readonly looked: readonly Looked[];
  readonly unsearched: readonly Unsearched[];
}

const placeOf = (calls: ActorCalls, { conversation }: SeenConversation) => {
  const actor = conversationKey(conversation);
  return { partition: calls.partitionOf(actor), actor };
};

async function lookAt(
  { calls, reads, user }: SearchReads,
  { conversation, head, intervals }: SeenConversation,
  reading: Promise<readonly TimelineEntry[]>,
): Promise<Looked> {
  return { conversation, entries: await current(calls, reads, conversation, user, reading, { head, intervals }) };
}

async function readSeqs(
  parts: SearchReads,
  seen: SeenConversation,
  seqs: readonly SequenceId[],
): Promise<{ readonly looked: readonly Looked[] }> {
  const positions = seqs.flatMap((seq) => {
    const gen = generationOf(seen.head, seq);
    return gen === null ? [] : [{ gen, seq }];
  });
  if (positions.length === 0) return { looked: [] };
  const reading = readSingles(parts.reads.timelines, placeOf(parts.calls, seen), positions);
  return { looked: [await lookAt(parts, seen, reading)] };
}

async function readRange(parts: SearchReads, range: TailRange, budget: ByteBudget): Promise<RangeTail> {
  const { calls, reads } = parts;
  const { seen } = range;
  const positions = positionsOf(seen.head, range);
  // The newest first: these are what is left when the budget is spent.
  const read = await readDense(reads.timelines, placeOf(calls, seen), positions, 'backward', budget);
  const searchedFrom = read.at(-1)?.seq ?? sequenceId(range.to + 1);
  const entries = read.map(wireEntry);
  const messages = read.filter(({ seq }, index) => entries[index]?.isControl === false && isSeen(seen, seq));
  const edited = await readSeqs(parts, seen, editedBefore(seen, entries, searchedFrom));
  return {
    looked: [await lookAt(parts, seen, Promise.resolve(messages)), ...edited.looked],
    unsearched: searchedFrom > range.from ? [unsearchedOf(range, searchedFrom)] : [],
  };
}

/** Messages before these entries that some of them have edited, and that the asker may see. */
function editedBefore(
  seen: SeenConversation,
  entries: readonly WireEntry[],
  before: SequenceId,
): readonly SequenceId[] {
  const edited = new Set<SequenceId>();
  for (const entry of entries) {
    if (!entry.isControl) continue;
    const body = JSON.parse(String(entry.message.body)) as ControlBody;
    if (body.control === 'edited' && body.seq < before && isSeen(seen, body.seq)) edited.add(body.seq);
  }
  return [...edited];
}
