import type { ConversationId, DeviceId, UserId } from '@millrace/kernel';

/** How many of what a run has. */
export interface LiveShape {
  readonly users: number;
  /** Receiving devices of each user. */
  readonly devices: number;
  readonly conversations: number;
  /** Of each conversation. */
  readonly members: number;
  /** Members of each conversation that write. */
  readonly writers: number;
}

export interface PlannedConversation {
  readonly conversation: ConversationId;
  readonly members: readonly UserId[];
  readonly senders: readonly { readonly name: string; readonly user: UserId; readonly device: DeviceId }[];
}

/** Who is where in a run: names that no other run has, conversations whose members overlap. */
export function plan(
  run: string,
  { users, conversations, members, writers }: LiveShape,
): readonly PlannedConversation[] {
  const userOf = (index: number): UserId => `${run}-u${String(index % users)}` as UserId;
  return Array.from({ length: conversations }, (_, at) => {
    const those = Array.from({ length: Math.min(members, users) }, (_unused, index) => userOf(at + index));
    return {
      conversation: `${run}-c${String(at)}` as ConversationId,
      members: those,
      senders: those.slice(0, writers).map((user, index) => {
        const name = `c${String(at)}s${String(index)}`;
        return { name, user, device: `send-${name}` as DeviceId };
      }),
    };
  });
}
