import type { ConversationId } from '@millrace/kernel';
import type { ScheduledList, ScheduledMessage } from '@millrace/protocol';
import type { ScheduleOptions } from './api.ts';
import type { AnswerFor, Question } from './connection/requests.ts';
import { MillraceError } from './errors.ts';

export interface ScheduledMessagesParts {
  ask<Q extends Question>(this: void, question: Q): Promise<AnswerFor<Q>>;
  /** Draws the key of a message that is given none. */
  newKey(this: void): string;
}

/** The user's messages that are to be sent later: stored by the server, which sends them also when no device is there. */
export class ScheduledMessages {
  readonly #parts: ScheduledMessagesParts;

  constructor(parts: ScheduledMessagesParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when it is stored. The same `key` again puts this message in the place of the one that waits.
   *
   * @param dueAt - milliseconds since 1970 by the server's clock, at most 366 days ahead.
   * @returns it as it stands; `state` is not `open` when the time of the one of that key had come before: nothing was
   *   changed then.
   */
  async add(
    conversation: ConversationId,
    dueAt: number,
    body: string | Uint8Array,
    options: ScheduleOptions = {},
  ): Promise<ScheduledMessage> {
    const { key = this.#parts.newKey(), type = typeof body === 'string' ? 'text' : 'custom', ...more } = options;
    const answer = await this.#parts.ask({ t: 'schedule', key, conversation, dueAt, type, body, ...more });
    const [message] = answer.messages;
    if (message === undefined) throw new MillraceError('internal', 'the server did not tell what it stored', 'never');
    return message;
  }

  /** Takes one back that is `open`, or what became of one off the list. Rejects with `conflict` while it is being sent. */
  async cancel(key: string): Promise<void> {
    await this.#parts.ask({ t: 'unschedule', key });
  }

  /** What is due first before others; what was sent, or failed, is among them until it is taken off. */
  list(page: { readonly after?: string; readonly limit?: number } = {}): Promise<Omit<ScheduledList, 't' | 'id'>> {
    return this.#parts.ask({ t: 'scheduled', ...page });
  }
}
