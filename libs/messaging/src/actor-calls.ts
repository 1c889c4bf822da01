import type { ConversationId, PartitionId, Result, UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import type { ActorKey } from '@millrace/timeline';
import type { BirthCommand } from './cluster/birth-actor.ts';
import type { ConversationCallName, ConversationCommand, ConversationReply } from './conversation/commands.ts';
import type { PromotedCommand } from './lobby/promoted-lobbies.ts';
import type { UserCallName, UserCommand, UserReply } from './user/commands.ts';

/** Any actor's command and answer, as partitions pass them on. */
export type AnyCommand = ConversationCommand | UserCommand | BirthCommand | PromotedCommand;
export type AnyReply = Result<unknown, FrameError>;

/** Commands that change nothing and have no effect, and are asked often: an actor at rest answers them at once. */
const questions: ReadonlySet<AnyCommand['t']> = new Set([
  ...(['inbox', 'summaries', 'list', 'attach'] satisfies UserCallName[]),
  ...(['head', 'watch', 'visible', 'info'] satisfies ConversationCallName[]),
]);

export const isQuestion = ({ t }: AnyCommand): boolean => questions.has(t);

/**
 * How everything outside of the actors reaches them, wherever they live. Answers come after the commit (I1); a command
 * that was not decided is refused with `overloaded`, `unavailable` or `internal`.
 */
export interface ActorCalls {
  conversation<Name extends ConversationCallName>(
    id: ConversationId,
    command: Extract<ConversationCommand, { readonly t: Name }>,
  ): Promise<ConversationReply<Name>>;
  user<Name extends UserCallName>(
    id: UserId,
    command: Extract<UserCommand, { readonly t: Name }>,
  ): Promise<UserReply<Name>>;
  /** Without a promise, for the hot path. */
  post(key: ActorKey, command: AnyCommand, answer: (reply: AnyReply) => void, priority: 'client' | 'follow-up'): void;
  partitionOf(key: ActorKey): PartitionId;
}
