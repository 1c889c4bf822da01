import { err, isLobbyId, ok, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { SCOPE_MAX } from '@millrace/search';
import type { ActorCalls } from '../actor-calls.ts';
import type { HeadsOf } from '../sync/listing.ts';
import type { ListCursor, UserReply } from '../user/commands.ts';
import { seenOf, type SeenConversation } from './seen-conversation.ts';

/** Where somebody searches. */
export interface SearchScope {
  readonly seen: readonly SeenConversation[];
  /** The user has more conversations than are searched at once: those that were active last are. */
  readonly isCut: boolean;
}

/** Conversations of the user's list in one question. */
const LIST_PAGE = 1_000;
/** Conversations that are asked by themselves at a time. */
const ASKED_AT_ONCE = 16;

/** The user's conversations, the latest active first, also those that they have left. */
async function listed(
  calls: ActorCalls,
  user: UserId,
): Promise<Result<{ readonly conversations: readonly ConversationId[]; readonly isCut: boolean }, FrameError>> {
  const found = new Set<ConversationId>();
  let after: ListCursor | null = null;
  do {
    const asked: Parameters<typeof calls.user<'list'>>[1] = { t: 'list', after, limit: LIST_PAGE };
    const page: UserReply<'list'> = await calls.user(user, asked);
    if (!page.ok) return page;
    const { conversations, pulled } = page.value;
    // Those that are pulled are in every page: they may be active without the list's knowing.
    for (const { summary } of pulled) found.add(summary.conversation);
    for (const { conversation } of conversations) found.add(conversation);
    after = page.value.next;
  } while (after !== null && found.size < SCOPE_MAX);
  const isCut = after !== null || found.size > SCOPE_MAX;
  return ok({ conversations: [...found].slice(0, SCOPE_MAX), isCut });
}

/** Every conversation of a user, each as it says itself that they may see it. */
export async function scopeOfUser(
  calls: ActorCalls,
  heads: HeadsOf,
  user: UserId,
): Promise<Result<SearchScope, FrameError>> {
  const mine = await listed(calls, user);
  if (!mine.ok) return mine;
  const { conversations, isCut } = mine.value;
  const found = await heads.of(user, conversations);
  if (!found.ok) return found;
  const seen = conversations.flatMap((conversation) => {
    const head = found.value.get(conversation) ?? null;
    return head === null ? [] : [seenOf(conversation, head.head, head.intervals)];
  });
  return ok({ seen, isCut });
}

const inLobby = (lobby: ConversationId): FrameError =>
  frameError('forbidden', `${lobby} is a lobby, whose messages are not searched: page its history`);

/**
 * Conversations that were named, each of which must be one that the user may read (I11).
 *
 * @param user - null for the deployment's backend, which may read all of them.
 */
export async function scopeOfNamed(
  calls: ActorCalls,
  user: UserId | null,
  named: readonly ConversationId[],
): Promise<Result<SearchScope, FrameError>> {
  const found = await seenByAsking(calls, user, [...new Set(named)]);
  const seen: SeenConversation[] = [];
  for (const [conversation, answer] of found) {
    if (!answer.ok) return answer;
    if (isLobbyId(conversation) && (await isKept(calls, user, conversation))) return err(inLobby(conversation));
    seen.push(answer.value);
  }
  return ok({ seen, isCut: false });
}

/** What each of these conversations says that the user may see of it. */
export async function seenByAsking(
  calls: ActorCalls,
  user: UserId | null,
  conversations: readonly ConversationId[],
): Promise<ReadonlyMap<ConversationId, Result<SeenConversation, FrameError>>> {
  const answers = new Map<ConversationId, Result<SeenConversation, FrameError>>();
  for (let from = 0; from < conversations.length; from += ASKED_AT_ONCE) {
    const some = conversations.slice(from, from + ASKED_AT_ONCE).map(async (conversation) => {
      const visible = await calls.conversation(conversation, { t: 'visible', user });
      const { head, intervals } = visible.ok ? visible.value : { head: null, intervals: [] };
      answers.set(
        conversation,
        head === null ? (visible as Result<never, FrameError>) : ok(seenOf(conversation, head, intervals)),
      );
    });
    await Promise.all(some);
  }
  return answers;
}

/** Whether it is a lobby still: a group that was one keeps its id, and is stored. */
async function isKept(calls: ActorCalls, user: UserId | null, conversation: ConversationId): Promise<boolean> {
  const query = { direction: 'backward', limit: 1 } as const;
  const kept = await calls.conversation(conversation, { t: 'kept', user, query });
  return kept.ok && kept.value !== null;
}
