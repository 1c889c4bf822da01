import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { SendableType } from './names.ts';

// What devices number: messages, and changes of some. Client → server.

/** Answered by {@link Ack}, after the commit. */
export interface Send {
  readonly t: 'send';
  readonly id: number;
  readonly conversation: ConversationId;
  /**
   * The client message id: this device's counter in this conversation, from 1, one higher for each new message.
   * A retry repeats it. A number is never given to another message.
   */
  readonly n: number;
  /**
   * The number of this device's message here that this one follows, below `n`; absent for `n` − 1. The numbers in
   * between are skipped, for ever. Accepted only when `after` is the last one that was, else `out_of_order`.
   */
  readonly after?: number;
  /** The device's logical timestamp: any whole number from 0 that does not fall within a device. */
  readonly sentAt: number;
  readonly type: SendableType;
  /** Text, or bytes (in JSON `bodyBase64` instead of `body`). */
  readonly body: string | Uint8Array;
  /** Members whom the message is for above all, 1..50. Each must be one when it is stored, else `not_mentionable`. */
  readonly mentions?: readonly UserId[];
  /** It is for all members above all. Refused as `forbidden` to whom the conversation's `mentionAllBy` leaves out. */
  readonly mentionAll?: true;
  /** The message here that it answers: one that this user sees, and that was not recalled. */
  readonly replyTo?: SequenceId;
}

/** Brings a message to another conversation: what it says now, which the server takes from where it stands. */
export interface Forward {
  readonly t: 'forward';
  readonly id: number;
  readonly conversation: ConversationId;
  /** As of a {@link Send}: this device's counter in the conversation that it goes to. */
  readonly n: number;
  readonly after?: number;
  readonly sentAt: number;
  /** A message that this user sees, and that was not recalled. */
  readonly source: MessagePlace;
}

export interface MessagePlace {
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
}

/** What a message that was sent and a change of one have in common: they are numbered together, and answered by {@link Ack}. */
interface Numbered {
  readonly id: number;
  readonly conversation: ConversationId;
  /** As of a {@link Send}: this device's counter in this conversation. */
  readonly n: number;
  readonly after?: number;
  readonly sentAt: number;
  /** The message that is changed. */
  readonly seq: SequenceId;
  /**
   * The generation that the message was read in: what was lost since, and has another message in its place, is not changed, but
   * refused as `not_found`. Left out: whatever stands there now.
   */
  readonly gen?: Generation;
}

/** Gives one of this user's own messages another body. Everybody who reads it finds that one from here on. */
export interface Edit extends Numbered {
  readonly t: 'edit';
  readonly body: string | Uint8Array;
}

/**
 * Takes a message back for everybody: its place stays, and what it said is shown to nobody any more. One's own, for a
 * while; the owner and admins of a group any, at any time.
 */
export interface Recall extends Numbered {
  readonly t: 'recall';
  /** Why, for all to read: 1 to 200 characters. */
  readonly reason?: string;
}

/** Puts a reaction under a message, or takes one's own away: each user one of each kind. */
export interface React extends Numbered {
  readonly t: 'react';
  /** An emoji, as a rule: a text of 1 to 32 characters. */
  readonly emoji: string;
  readonly on: boolean;
}
