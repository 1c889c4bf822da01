import { err, ok, type Result } from '@millrace/kernel';
import { frameError, type Changed, type FrameError } from '@millrace/protocol';
import type { ConversationCalls } from './commands.ts';
import type { ConversationState } from './conversation-state.ts';
import { notFound } from './queries.ts';

/** What only a lobby can be asked. */
export const noLobby = (state: ConversationState): Result<never, FrameError> =>
  err(state.meta.value === null ? notFound(state) : frameError('forbidden', `${state.id} is not a lobby`));

/** It is in the Timeline, unless the asker holds a generation of the lobby that was over before it became a group. */
export function keptElsewhere(
  state: ConversationState,
  { query: { gen } }: ConversationCalls['kept']['command'],
): Result<null, FrameError> {
  const lobby = state.meta.value?.lobby;
  if (lobby === undefined || gen === undefined || gen <= state.gen || gen === lobby.gen) return ok(null);
  const message = `what came in generation ${String(gen)} of the lobby was lost`;
  return err(frameError('regressed', message, { from: 0 }));
}

export const taken = (state: ConversationState): Result<never, FrameError> =>
  err(frameError('conflict', `the conversation id ${state.id} is taken; choose another`));

/** Of a group that was one: the answer to whoever asks its owner's question once more. */
export function promotedAt(
  state: ConversationState,
  { by }: ConversationCalls['promote']['command'],
): Result<Omit<Changed, 't' | 'id'>, FrameError> {
  const lobby = state.meta.value?.lobby;
  if (lobby === undefined) return noLobby(state);
  if (by !== null && state.present(by) === null)
    return err(frameError('not_member', `${by} is not a member of ${state.id}`));
  if (by !== null && state.present(by)?.role !== 'owner')
    return err(frameError('forbidden', 'only the owner promotes a lobby'));
  return ok({ conversation: state.id, gen: lobby.storedIn, seq: lobby.promoted });
}
