import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { Settings } from './client-frames.ts';
import type { ConversationKind, DiffusionModeName, MessageType, Role } from './names.ts';

// What stands in a conversation, and how much of it was read.

/** One entry of a conversation as clients see it. */
export interface Message {
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** How many countable messages the conversation has up to here, this one included if it counts. */
  readonly msgNo: number;
  readonly countable: boolean;
  /** Null when the server itself speaks (`void`). */
  readonly from: UserId | null;
  /** `deviceTag(user, device)` of the sending device, 0 when none; with `n` it matches a device's own message. */
  readonly deviceTag: number;
  /** The sender's counter; 0 when it was not sent by a device. */
  readonly n: number;
  readonly sentAt: number;
  /** When the server sequenced it. For display: the order is `seq`. */
  readonly at: number;
  readonly type: MessageType;
  /** Text, or bytes (`bodyBase64` in JSON). For `control` the JSON text of a {@link ControlBody}. */
  readonly body: string | Uint8Array;
  /** As they were sent: whom it is for above all. Absent for nobody in particular. */
  readonly mentions?: readonly UserId[];
  readonly mentionAll?: true;
  /** The message here that it answers; absent for none. */
  readonly replyTo?: SequenceId;
  /** The first message of the thread that it stands in by that. */
  readonly thread?: SequenceId;
  /** It was said there, and brought here by `from`. */
  readonly forwardedFrom?: ForwardedFrom;
  /** The last entry that changed it; absent for none. An entry up to there that changes it is in what this shows. */
  readonly rev?: SequenceId;
  /** Its body is another one than that with which it was sent, since then. Wall time, for display. */
  readonly editedAt?: number;
  /** What users have put under it, in the order in which each kind was put there first. Absent for nothing. */
  readonly reactions?: readonly Reaction[];
  /** What has come in its thread, whose first message it is. Absent for nothing. */
  readonly replies?: Replies;
  /** It was taken back, and has no body any more. `by` null: by the deployment's backend. */
  readonly recalled?: { readonly by: UserId | null; readonly at: number };
  /** This user has deleted it for themselves, and has no body of it any more. */
  readonly deleted?: true;
  /** It was erased for good, and has no body any more, nor anything else that its author sent. */
  readonly erased?: true;
}

/** The messages of a thread behind its first one; what was recalled of them keeps its place. */
export interface Replies {
  readonly count: number;
  readonly last: SequenceId;
}

/** Where a message was said that was brought here: what was forwarded once more names the first place. */
export interface ForwardedFrom {
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** Null when the server itself spoke. */
  readonly author: UserId | null;
  /** When it was said there. For display. */
  readonly at: number;
}

/** A message that is pinned in its conversation. */
export interface Pinned {
  readonly seq: SequenceId;
  /** Who has pinned it; null for the deployment's backend. */
  readonly by: UserId | null;
  readonly at: number;
}

/** One kind of reaction to a message. */
export interface Reaction {
  readonly emoji: string;
  readonly count: number;
  /** Who: the latest 20 at most. */
  readonly users: readonly UserId[];
}

/** The body of a control entry: what happened to the conversation. The actor is the message's `from`. */
export type ControlBody =
  | {
      readonly control: 'created';
      readonly kind: ConversationKind;
      readonly title: string;
      readonly members: readonly UserId[];
    }
  | { readonly control: 'joined'; readonly users: readonly UserId[] }
  | { readonly control: 'left'; readonly users: readonly UserId[] }
  | { readonly control: 'kicked'; readonly users: readonly UserId[] }
  | { readonly control: 'role'; readonly user: UserId; readonly role: Role }
  /** The server's: how what follows is diffused. */
  | { readonly control: 'diffusion'; readonly mode: DiffusionModeName }
  /** What was set, and nothing else. */
  | ({ readonly control: 'settings' } & Omit<Settings, 't' | 'id' | 'conversation'>)
  /** `until` null: for ever. */
  | { readonly control: 'muted'; readonly users: readonly UserId[]; readonly until: number | null }
  | { readonly control: 'unmuted'; readonly users: readonly UserId[] }
  /** Those of them that were members are gone by the `kicked` right before. */
  | { readonly control: 'banned'; readonly users: readonly UserId[] }
  | { readonly control: 'unbanned'; readonly users: readonly UserId[] }
  /**
   * The lobby is a group from here on, of which all who are in it are members; this is its first entry for their inboxes.
   * Positions of the lobby in its last generation, `gen`, are those of the group. What was before `first` is not kept.
   */
  | {
      readonly control: 'promoted';
      readonly kind: 'group';
      readonly title: string;
      readonly gen: Generation;
      readonly first: SequenceId;
    }
  /** The last entry of a lobby: nobody is in it any more. */
  | { readonly control: 'dissolved' }
  /** The message at `seq` says this instead. Neither body once it was edited again, or recalled. */
  | {
      readonly control: 'edited';
      readonly seq: SequenceId;
      readonly body?: string;
      readonly bodyBase64?: string;
      /** The entry that edited it before. Absent for none, and where there is no body. */
      readonly previous?: SequenceId;
    }
  /** The actor has reacted to the message at `seq`, or takes that back. */
  | { readonly control: 'reacted'; readonly seq: SequenceId; readonly emoji: string; readonly on: boolean }
  /** The message at `seq` is among those that are shown to all above all, or not any more. */
  | { readonly control: 'pinned' | 'unpinned'; readonly seq: SequenceId }
  /** What this user has sent up to `upTo` is erased for good. */
  | { readonly control: 'erased'; readonly author: UserId; readonly upTo: SequenceId }
  /** What stands up to `upTo` has disappeared, for the conversation keeps messages no longer. */
  | { readonly control: 'expired'; readonly upTo: SequenceId }
  /** The message at `seq`, of `author`, was taken back: it does not count as unread any more. */
  | { readonly control: 'recalled'; readonly seq: SequenceId; readonly author: UserId; readonly reason?: string };

/** The inputs of an unread count: `unread = msgNo − readMsgNo − own − gone`. */
export interface UnreadInputs {
  /** Of the last message that this user may see, or of diffusion `write` the last one in their inbox. */
  readonly msgNo: number;
  readonly readSeq: SequenceId;
  readonly readMsgNo: number;
  /** This user's own countable messages after `readSeq`. */
  readonly own: number;
  /** Others' countable messages after `readSeq` that were recalled, or that this user has deleted. Absent for none. */
  readonly gone?: number;
  /** Which these are: the latest 1,000, rising. */
  readonly goneSeqs?: readonly SequenceId[];
  readonly unread: number;
}

export interface ConversationSummary extends UnreadInputs {
  readonly conversation: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string;
  /** The other one of a direct conversation, else null. */
  readonly peer: UserId | null;
  /** False after a leave or kick: what was seen stays readable. */
  readonly member: boolean;
  /** `read`: its messages come by `sync`, not by the inbox. */
  readonly diffusion: DiffusionModeName;
  /** The last entry that this user may see. */
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** When it was sequenced. */
  readonly lastAt: number;
  /**
   * The messages behind `readSeq` that mention this user, or all, and are not their own: the latest 100, rising. How many
   * they are is the counter. Absent for none.
   */
  readonly mentions?: readonly SequenceId[];
}
