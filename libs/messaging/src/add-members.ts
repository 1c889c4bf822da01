import { err, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { protocolLimits, type Changed, type FrameError } from '@millrace/protocol';
import type { ActorCalls } from './actor-calls.ts';

/** Why a list of users was taken in part: `done` of it, from its beginning, are members. */
export interface PartlyAdded extends FrameError {
  readonly done: number;
}

/** Of a list, what goes into one commit: each new member is a field of the conversation's record. */
const CHUNK = protocolLimits.membersPerFrame;

/** The part of a list that may come in with the creation of the conversation. */
export const firstMembers = (users: readonly UserId[]): readonly UserId[] => users.slice(0, CHUNK);

/**
 * Makes all of a list members, however many: in chunks, each a commit and a `joined` entry of its own, so that none is over
 * the bounds of a commit. Users who are members already cost nothing, so the same list may be sent again after anything
 * that went wrong; a refusal says how far it came.
 *
 * @param by - who invites; null for the deployment's backend.
 * @param from - where in the list to begin.
 */
export async function addInChunks(
  calls: Pick<ActorCalls, 'conversation'>,
  conversation: ConversationId,
  by: UserId | null,
  users: readonly UserId[],
  from = 0,
): Promise<Result<Omit<Changed, 't' | 'id'>, FrameError>> {
  for (let done = from; ; done += CHUNK) {
    const outcome = await calls.conversation(conversation, { t: 'invite', by, users: users.slice(done, done + CHUNK) });
    if (!outcome.ok) return done === 0 ? outcome : err(partly(outcome.error, done, users.length));
    if (done + CHUNK >= users.length) return outcome;
  }
}

function partly(error: FrameError, done: number, of: number): PartlyAdded {
  const hint = `the first ${String(done)} of ${String(of)} are members: go on with the rest, or send all of them again`;
  return { ...error, message: `${error.message} (${hint})`, done };
}
