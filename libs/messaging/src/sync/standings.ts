import { err, ok, type ConversationId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, type EntryFields, type FrameError } from '@millrace/protocol';
import {
  conversationKey,
  generationOf,
  keptFrom,
  numberedSpans,
  StoreUnavailable,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Standings } from '../conversation/commands.ts';
import type { Unconfirmed } from '../user/commands.ts';
import type { Standing } from '../user/standing.ts';
import { readEntry } from './read-messages.ts';

/** Conversations that are asked at once for one user. */
const ASKED_AT_ONCE = 16;

/** What was known of one user before the conversation is asked. */
type KnownBefore = Pick<Unconfirmed, 'gone'> & { readonly readSeq: SequenceId | null };

/** It is asked without knowing anything. */
export const nothingKnown: KnownBefore = { readSeq: null };

/**
 * Asks a conversation how far users are in it. Its actor does no I/O: what the last entry of each says is read from the
 * Timeline.
 *
 * Rejects with StoreUnavailable when that cannot be read.
 */
export async function standingsOf(
  calls: ActorCalls,
  timelines: TimelineReader,
  conversation: ConversationId,
  users: readonly UserId[],
  { readSeq: askedReadSeq, gone: askedGone }: KnownBefore,
): Promise<Result<ReadonlyMap<UserId, Standing>, FrameError>> {
  const asked = await calls.conversation(conversation, { t: 'standings', users });
  if (!asked.ok) return asked;
  const { head, facts, members, retiredMsgNo = 0, lastAt: at = 0 } = asked.value;
  const retired = { msgNo: retiredMsgNo, at };
  const known = { askedReadSeq, ...(askedGone === undefined ? {} : { askedGone }) };
  const nobody: Standing = { d: 'standing', conversation, head, stand: null, ...known };
  const standings = new Map(users.map((user) => [user, nobody]));
  if (facts === null) return ok(standings);
  const entries = new Map<SequenceId, Pick<EntryFields, 'msgNo' | 'at'>>();
  for (const [user, { last, ...known }] of members) {
    const gen = numberedSpans(head).find((span) => last <= span.last)?.gen ?? null;
    if (gen === null || last === 0) continue;
    // Of one that is not kept any more it is known how many messages there were up to all that are not.
    const isKept = last >= keptFrom(head);
    const entry = entries.get(last) ?? (isKept ? await entryAt(calls, timelines, conversation, head, last) : retired);
    entries.set(last, entry);
    const { msgNo, at: lastAt } = entry;
    standings.set(user, { ...nobody, stand: { ...known, facts, position: { gen, seq: last }, msgNo, lastAt } });
  }
  return ok(standings);
}

async function entryAt(
  calls: ActorCalls,
  timelines: TimelineReader,
  conversation: ConversationId,
  head: Standings['head'],
  seq: SequenceId,
): Promise<EntryFields> {
  const actor = conversationKey(conversation);
  const gen = generationOf(head, seq);
  if (gen === null) throw new StoreUnavailable(`entry ${String(seq)} of ${actor} is not known`);
  return decodeEntry((await readEntry(timelines, { partition: calls.partitionOf(actor), actor }, { gen, seq })).data);
}

/** What each of the conversations says of the user. */
export async function standingsFor(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId,
  unconfirmed: readonly Unconfirmed[],
): Promise<Result<readonly Standing[], FrameError>> {
  const all: Standing[] = [];
  for (let from = 0; from < unconfirmed.length; from += ASKED_AT_ONCE) {
    const some = unconfirmed.slice(from, from + ASKED_AT_ONCE);
    const answers = await Promise.all(
      some.map((asked) => standingsOf(calls, timelines, asked.conversation, [user], asked)),
    );
    for (const answer of answers) {
      if (!answer.ok) return err(answer.error);
      all.push(...answer.value.values());
    }
  }
  return ok(all);
}
