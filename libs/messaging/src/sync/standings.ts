import { err, ok, type ConversationId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, type EntryFields, type FrameError } from '@millrace/protocol';
import { conversationKey, generationOf, StoreUnavailable, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Standings } from '../conversation/commands.ts';
import type { Unconfirmed } from '../user/commands.ts';
import type { Standing } from '../user/standing.ts';

/** Conversations that are asked at once for one user. */
const ASKED_AT_ONCE = 16;

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
  askedReadSeq: SequenceId | null,
): Promise<Result<ReadonlyMap<UserId, Standing>, FrameError>> {
  const asked = await calls.conversation(conversation, { t: 'standings', users });
  if (!asked.ok) return asked;
  const { head, facts, members } = asked.value;
  const nobody: Standing = { d: 'standing', conversation, head, stand: null, askedReadSeq };
  const standings = new Map(users.map((user) => [user, nobody]));
  if (facts === null) return ok(standings);
  const entries = new Map<SequenceId, EntryFields>();
  for (const [user, { last, ...known }] of members) {
    const gen = generationOf(head, last);
    if (gen === null) continue;
    const entry = entries.get(last) ?? (await entryAt(calls, timelines, conversation, head, last));
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
  const entry = gen === null ? null : await timelines.at(calls.partitionOf(actor), actor, { gen, seq });
  if (entry === null) throw new StoreUnavailable(`entry ${String(seq)} of ${actor} cannot be read`);
  return decodeEntry(entry.data);
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
      some.map(({ conversation, readSeq }) => standingsOf(calls, timelines, conversation, [user], readSeq)),
    );
    for (const answer of answers) {
      if (!answer.ok) return err(answer.error);
      all.push(...answer.value.values());
    }
  }
  return ok(all);
}
