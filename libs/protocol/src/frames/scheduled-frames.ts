import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { ErrorCode } from '../errors.ts';
import type { SendableType } from './names.ts';

// Messages that are to be sent later: what asks for them, and the answer.

/**
 * Stores a message that is to be sent at a later time, as this user. Answered by {@link ScheduledList} with this one. The same
 * key again, while it is `open`, puts this one in its place; afterwards it is answered with what became of it.
 */
export interface Schedule {
  readonly t: 'schedule';
  readonly id: number;
  /** This user's name for it, 1..64 characters. */
  readonly key: string;
  /** No lobby: what is said there is not stored. */
  readonly conversation: ConversationId;
  /** Milliseconds since 1970 by the server's clock, ahead of now and not more than 366 days. */
  readonly dueAt: number;
  readonly type: SendableType;
  /** As of a `send`. */
  readonly body: string | Uint8Array;
  readonly mentions?: readonly UserId[];
  readonly mentionAll?: true;
  readonly replyTo?: SequenceId;
}

/** Takes a scheduled message back, or what became of it off the list. Answered by `ok`, also where there is none. */
export interface Unschedule {
  readonly t: 'unschedule';
  readonly id: number;
  readonly key: string;
}

/** This user's scheduled messages, those that are due first before others. Answered by {@link ScheduledList}. */
export interface ListScheduled {
  readonly t: 'scheduled';
  readonly id: number;
  /** `next` of the page before. */
  readonly after?: string;
  /** 1..100, default 20. */
  readonly limit?: number;
}

/**
 * - `open`: it waits for its time.
 * - `sending`: its time has come. It is not changed or taken back any more.
 * - `sent`: it stands at `gen` and `seq`.
 * - `failed`: it will not be sent, for the reason of `error`.
 */
export type ScheduledState = 'open' | 'sending' | 'sent' | 'failed';

export interface ScheduledMessage {
  readonly key: string;
  readonly conversation: ConversationId;
  readonly dueAt: number;
  readonly state: ScheduledState;
  readonly type: SendableType;
  /** Absent when it was sent: it stands in the conversation. */
  readonly body?: string | Uint8Array;
  readonly mentions?: readonly UserId[];
  readonly mentionAll?: true;
  readonly replyTo?: SequenceId;
  readonly gen?: Generation;
  readonly seq?: SequenceId;
  /** As if it had been sent then and refused; the text is for people. */
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

export interface ScheduledList {
  readonly t: 'scheduled';
  readonly id: number;
  readonly messages: readonly ScheduledMessage[];
  /** Opaque; null on the last page. */
  readonly next: string | null;
}
