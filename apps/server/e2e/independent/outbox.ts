import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerOf, Connection } from './connection.ts';
import { ConnectionLost, Refused, type ErrorFrame } from './frames.ts';
import type { Lane, OutboxMessage } from './store.ts';

type Ack = AnswerOf<'send'>;

export interface OutboxEvents {
  acked(message: OutboxMessage, ack: Ack): void;
  /** The server will never take it. */
  refused(message: OutboxMessage, error: ErrorFrame): void;
}

/**
 * The messages of one device to one conversation on their way: in order of `n`, at most a window of them unanswered,
 * each sent until it is acked or refused for good.
 */
export class Outbox {
  readonly #conversation: string;
  readonly #lane: Lane;
  readonly #events: OutboxEvents;
  #connection: Connection | undefined;
  #window = 0;
  /** Sent on this connection and not answered. */
  readonly #unanswered = new Set<OutboxMessage>();
  /** Answered by a refusal that says that the message has to be sent again. */
  readonly #notTaken = new Set<OutboxMessage>();
  /** The last number that the server is known to have accepted. */
  #last: number | undefined;
  #waitMs = 0;

  constructor(conversation: string, lane: Lane, events: OutboxEvents) {
    this.#conversation = conversation;
    this.#lane = lane;
    this.#events = events;
  }

  add(message: Omit<OutboxMessage, 'n'>): OutboxMessage {
    const added = { ...message, n: this.#lane.nextN };
    this.#lane.nextN += 1;
    this.#lane.outbox.push(added);
    this.#pump();
    return added;
  }

  /** A connection is there: everything unacked goes out again, in order. */
  connected(connection: Connection, window: number): void {
    this.#connection = connection;
    this.#window = window;
    this.#unanswered.clear();
    this.#notTaken.clear();
    this.#waitMs = 0;
    this.#pump();
  }

  /** No more on this connection: it is lost, or its server is about to go. */
  disconnected(): void {
    this.#connection = undefined;
  }

  /** The message came by sync or history: its ack was lost. */
  found(n: number): void {
    const index = this.#lane.outbox.findIndex((message) => message.n === n);
    if (index >= 0) this.#lane.outbox.splice(index, 1);
  }

  #pump(): void {
    const connection = this.#connection;
    // What was refused goes out again when all answers are there, so that the order holds.
    if (connection === undefined || this.#notTaken.size > 0) return;
    for (const message of this.#lane.outbox) {
      if (this.#unanswered.size >= this.#window) return;
      if (!this.#unanswered.has(message)) void this.#send(connection, message);
    }
  }

  async #send(connection: Connection, message: OutboxMessage): Promise<void> {
    this.#unanswered.add(message);
    const { n, sentAt, type, body } = message;
    const after = this.#predecessor(message);
    const follows = after < n - 1 ? { after } : {};
    try {
      const send = { conversation: this.#conversation, n, ...follows, sentAt, type, body };
      const ack = await connection.request('send', send);
      this.found(n);
      this.#last = Math.max(this.#last ?? 0, n);
      this.#events.acked(message, ack);
    } catch (error) {
      if (error instanceof ConnectionLost) return;
      if (!(error instanceof Refused)) throw error;
      this.#decline(message, after, error.frame);
    }
    if (this.#connection !== connection) return;
    this.#unanswered.delete(message);
    if (this.#unanswered.size === 0) await this.#settle(connection);
    else this.#pump();
  }

  /** The number that the message follows, as far as that is known. */
  #predecessor(message: OutboxMessage): number {
    const before = this.#lane.outbox[this.#lane.outbox.indexOf(message) - 1];
    return Math.max(before?.n ?? -1, this.#last ?? (before === undefined ? message.n - 1 : -1));
  }

  #decline(message: OutboxMessage, after: number, error: ErrorFrame): void {
    if (error.retry === 'never') {
      this.found(message.n);
      this.#events.refused(message, error);
      return;
    }
    this.#notTaken.add(message);
    if (error.code === 'out_of_order' && error.expected !== undefined) {
      const isFirst = message === this.#lane.outbox[0];
      if (isFirst && error.expected - 1 === after) this.#waitMs = Math.max(this.#waitMs, 100);
      this.#last = error.expected - 1;
    }
    if (error.retry === 'later') this.#waitMs = Math.max(this.#waitMs, error.retryAfterMs ?? 100);
  }

  /** Every answer is there: what was not taken goes out again. */
  async #settle(connection: Connection): Promise<void> {
    if (this.#waitMs > 0) await sleep(this.#waitMs);
    if (this.#connection !== connection || this.#unanswered.size > 0) return;
    this.#notTaken.clear();
    this.#waitMs = 0;
    this.#pump();
  }
}
