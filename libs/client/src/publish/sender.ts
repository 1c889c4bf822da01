import { isLobbyId, parseUserId, type Cancel, type Clock, type ConversationId, type Timers } from '@millrace/kernel';
import {
  bodyProblem,
  deviceTag,
  frameError,
  protocolLimits,
  type Ack,
  type AckedLevel,
  type Connected,
  type FieldProblem,
  type Mentions,
  type Message,
  type MessagePlace,
} from '@millrace/protocol';
import type { SendOptions, SendReceipt } from '../api.ts';
import type { Asker } from '../connection/asker.ts';
import type { Connection } from '../connection/connection.ts';
import type { Outcome, QuestionOf } from '../connection/requests.ts';
import { MillraceError, refusedBy } from '../errors.ts';
import type { Emit } from '../listeners.ts';
import type { Outbox, OutboxChange, OutboxEntry } from './outbox.ts';

/** Unanswered sends over all conversations: below the requests that a gateway lets a session have. */
const IN_FLIGHT_MAX = 128;

export interface SenderOptions {
  readonly windowMax: number;
  readonly outboxMax: number;
  readonly clock: Clock;
  readonly timers: Timers;
}

interface Promised {
  readonly resolve: (receipt: SendReceipt) => void;
  readonly reject: (error: MillraceError) => void;
}

/** What the sender tells the rest of the client. */
export interface SenderOwner {
  readonly emit: Emit;
  /** A message of this device is stored at that position. */
  own(conversation: ConversationId, message: Message): void;
  /** The last logical timestamp went up and must be stored. */
  sentAtChanged(): void;
}

/** Carries the outbox to the server, and its answers back to who waits for them. */
export class Sender {
  readonly #connection: Connection;
  readonly #asker: Asker;
  readonly #outbox: Outbox;
  readonly #options: SenderOptions;
  readonly #owner: SenderOwner;
  readonly #promised = new Map<number, Promised>();
  /** Refused, but still in the storage: a restart now would send them once more. */
  readonly #refusals = new Map<OutboxEntry, MillraceError>();
  #session: Connected | null = null;
  #wake: Cancel | null = null;
  /** The logical timestamp of this device's last message. */
  sentAt = 0;

  constructor(connection: Connection, asker: Asker, outbox: Outbox, options: SenderOptions, owner: SenderOwner) {
    this.#connection = connection;
    this.#asker = asker;
    this.#outbox = outbox;
    this.#options = options;
    this.#owner = owner;
  }

  edit(conversation: ConversationId, at: Changed, body: string | Uint8Array): Promise<SendReceipt> {
    return this.send(conversation, body, { change: { op: 'edit', ...at } });
  }

  react(conversation: ConversationId, at: Changed, emoji: string, isOn: boolean): Promise<SendReceipt> {
    return this.send(conversation, emoji, { change: { op: isOn ? 'react' : 'unreact', ...at } });
  }

  forward(conversation: ConversationId, source: MessagePlace): Promise<SendReceipt> {
    return this.send(conversation, '', { source });
  }

  /** @param reason - empty for none. */
  recall(conversation: ConversationId, at: Changed, reason: string): Promise<SendReceipt> {
    return this.send(conversation, reason, { change: { op: 'recall', ...at } });
  }

  /** @param options - `change`: it is no message, but changes one that is there. `source`: its content is there. */
  send(
    conversation: ConversationId,
    body: string | Uint8Array,
    options: SendOptions & Pick<OutboxEntry, 'change' | 'source'>,
  ): Promise<SendReceipt> {
    const { outboxMax, clock } = this.#options;
    const sentAt = options.sentAt ?? Math.max(Math.floor(clock.nowMs()), this.sentAt + 1);
    // Offline, how long a body may be is the server's to say, when it gets there.
    const bodyBytes = this.#session?.limits.bodyBytes ?? Number.MAX_SAFE_INTEGER;
    const problem = bodyProblem(body, { bodyBytes }) ?? this.#sentAtProblem(sentAt) ?? mentionsProblem(options);
    if (problem !== null) return Promise.reject(new MillraceError(problem.code, problem.message, 'never'));
    if (this.#outbox.size >= outboxMax) {
      const text = `${String(outboxMax)} messages wait to be sent already`;
      return Promise.reject(new MillraceError('outbox_full', text, 'later'));
    }
    this.sentAt = sentAt;
    this.#owner.sentAtChanged();
    const type = options.type ?? (typeof body === 'string' ? 'text' : 'custom');
    // The caller may reuse its buffer.
    const content = typeof body === 'string' ? body : body.slice();
    const { change, replyTo, source } = options;
    const more = {
      ...mentionsIn(options),
      ...(change === undefined ? {} : { change }),
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(source === undefined ? {} : { source }),
    };
    const entry = this.#outbox.add(conversation, type, content, sentAt, more);
    return new Promise((resolve, reject) => {
      this.#promised.set(entry.serial, { resolve, reject });
    });
  }

  connected(session: Connected): void {
    this.#session = session;
    this.flush();
  }

  lost(): void {
    this.#session = null;
    this.#wake?.();
    this.#wake = null;
    this.#outbox.connectionLost();
  }

  /** Whoever waits is told; the messages stay in the outbox. */
  close(reason: string): void {
    const waiting = [...this.#promised.values()];
    this.#promised.clear();
    const text = `${reason}; the message stays in the outbox and goes out after the next connect()`;
    for (const { reject } of waiting) reject(new MillraceError('closed', text, 'later'));
  }

  /** The storage has taken what it was given; of refused messages only now is it sure that they are over. */
  stored(gone: readonly OutboxEntry[]): void {
    for (const entry of gone) {
      const error = this.#refusals.get(entry);
      if (error !== undefined) this.#tellRefusal(entry, error);
    }
    this.flush();
  }

  /** Sends what may be sent now. */
  flush(): void {
    const session = this.#session;
    if (session === null || !this.#connection.ready) return;
    const nowMs = this.#options.clock.monotonicMs();
    const windowMax = Math.min(this.#options.windowMax, session.limits.sendWindow);
    for (const entry of this.#outbox.take(nowMs, { windowMax, inFlightMax: IN_FLIGHT_MAX })) {
      this.#connection.ask(questionOf(entry), (outcome) => {
        this.#answered(entry, session, outcome);
      });
    }
    this.#wake?.();
    const wakeMs = this.#outbox.nextWakeMs(nowMs);
    this.#wake = wakeMs === null ? null : this.#options.timers.after(Math.ceil(wakeMs - nowMs), () => this.flush());
  }

  /** A message of this device came by: if its ack was lost, this is its answer. */
  settle(conversation: ConversationId, message: Message): void {
    const entry = this.#outbox.find(conversation, message.n);
    if (entry?.sentAt !== message.sentAt) return;
    const level: AckedLevel = isLobbyId(conversation) ? 'volatile' : (this.#session?.ackLevel ?? 'memory');
    const { gen, seq, msgNo, at, n } = message;
    this.#stored(entry, { gen, seq, msgNo, at, level, n, duplicate: true });
  }

  #answered(entry: OutboxEntry, session: Connected, outcome: Outcome<NumberedQuestion>): void {
    // Lost with its connection: it goes out again on the next one.
    if (outcome === null) return;
    if (outcome.t === 'ack') {
      // What a change says to all, in which thread an answer stands, and what was forwarded the server has put together.
      const isWhole = entry.change === undefined && entry.replyTo === undefined && entry.source === undefined;
      if (outcome.duplicate || !isWhole) void this.#verify(entry, session, outcome);
      else this.#accepted(entry, outcome, messageOf(entry, session, outcome));
      return;
    }
    if (outcome.retry === 'token') void this.#connection.refreshToken();
    if (this.#outbox.failed(entry, outcome, this.#options.clock.monotonicMs())) {
      this.#refusals.set(entry, refusedBy(outcome));
    }
    this.flush();
  }

  #accepted(entry: OutboxEntry, ack: Omit<Ack, 't' | 'id' | 'conversation'>, message: Message): void {
    this.#owner.own(entry.conversation, message);
    const { gen, seq, msgNo, at, level, duplicate, n } = ack;
    this.#stored(entry, { gen, seq, msgNo, at, level, duplicate, n });
    this.flush();
  }

  #stored(entry: OutboxEntry, receipt: SendReceipt): void {
    if (!this.#outbox.acked(entry)) return;
    this.#promised.get(entry.serial)?.resolve(receipt);
    this.#promised.delete(entry.serial);
  }

  /**
   * An earlier attempt was stored. What stands at its seq says whether it was this message, and completes the
   * receipt: a counter that is used twice, by a storage that was copied or rolled back, must not pass for an ack.
   */
  async #verify(entry: OutboxEntry, session: Connected, ack: Ack): Promise<void> {
    const { conversation } = entry;
    try {
      const page = await this.#asker.ask({ t: 'history', conversation, direction: 'forward', from: ack.seq, limit: 1 });
      const stored = page.messages.find(({ seq }) => seq === ack.seq);
      if (stored === undefined) this.#unreadable(entry, ack);
      else if (this.#isOurs(stored, entry, session)) {
        this.#accepted(entry, { ...ack, gen: stored.gen, msgNo: stored.msgNo, at: stored.at }, stored);
      } else this.#reused(entry);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      // The client is closed: the outbox keeps it.
      if (error.code === 'closed') return;
      if (error.retry !== 'later') this.#unreadable(entry, ack);
      else this.#outbox.failed(entry, frameError('unavailable', error.message), this.#options.clock.monotonicMs());
    }
    this.flush();
  }

  #isOurs(stored: Message, entry: OutboxEntry, { user, device }: Connected): boolean {
    return stored.deviceTag === deviceTag(user, device) && stored.n === entry.n && stored.sentAt === entry.sentAt;
  }

  /** Stored, but this user may not see it any more: what the ack says is all there is. */
  #unreadable(entry: OutboxEntry, { gen, seq, msgNo, at, level, duplicate, n }: Ack): void {
    this.#stored(entry, { gen, seq, msgNo, at, level, duplicate, n });
  }

  #reused(entry: OutboxEntry): void {
    if (!this.#outbox.acked(entry)) return;
    const text =
      'the server knows another message under this device and counter: the storage was copied or rolled back';
    this.#refusals.set(entry, new MillraceError('counter_reused', text, 'never'));
  }

  #tellRefusal(entry: OutboxEntry, error: MillraceError): void {
    const { serial, conversation, body } = entry;
    this.#refusals.delete(entry);
    this.#promised.get(serial)?.reject(error);
    this.#promised.delete(serial);
    this.#owner.emit('refused', { conversation, body, error: { code: error.code, message: error.message } });
  }

  #sentAtProblem(sentAt: number): { readonly code: 'bad_request'; readonly message: string } | null {
    const code = 'bad_request';
    if (!Number.isSafeInteger(sentAt) || sentAt < 0) {
      return { code, message: `sentAt must be a whole number from 0, got ${String(sentAt)}` };
    }
    if (sentAt >= this.sentAt) return null;
    return { code, message: `sentAt ${String(sentAt)} is below this device's last one, ${String(this.sentAt)}` };
  }
}

/** Which message is changed. */
type Changed = Omit<OutboxChange, 'op'>;

type NumberedQuestion = QuestionOf<'send' | 'forward' | 'edit' | 'react' | 'recall'>;

function questionOf(entry: OutboxEntry): NumberedQuestion {
  const { conversation, n, after, sentAt, type, body, change, replyTo, source } = entry;
  const numbered = { conversation, n, ...(after === n - 1 ? {} : { after }), sentAt };
  if (source !== undefined) return { t: 'forward', ...numbered, source };
  const reply = replyTo === undefined ? {} : { replyTo };
  if (change === undefined) return { t: 'send', ...numbered, type, body, ...mentionsIn(entry), ...reply };
  const { op, ...at } = change;
  if (op === 'edit') return { t: 'edit', ...numbered, ...at, body };
  if (op === 'recall') return { t: 'recall', ...numbered, ...at, ...(body === '' ? {} : { reason: String(body) }) };
  return { t: 'react', ...numbered, ...at, emoji: String(body), on: op === 'react' };
}

/** As the message will say it. */
function mentionsIn({ mentions = [], mentionAll }: Pick<SendOptions, 'mentions' | 'mentionAll'>): Mentions {
  const users = [...new Set(mentions)];
  return { ...(users.length === 0 ? {} : { mentions: users }), ...(mentionAll === true ? { mentionAll } : {}) };
}

function mentionsProblem(options: SendOptions): FieldProblem | null {
  const { mentions = [] } = mentionsIn(options);
  const most = protocolLimits.mentionsPerMessage;
  if (mentions.length > most) {
    const message = `a message mentions at most ${String(most)} users, got ${String(mentions.length)}: use mentionAll, or fewer`;
    return { code: 'bad_request', message };
  }
  const wrong = mentions.map(parseUserId).find((user) => !user.ok);
  return wrong?.ok === false ? { code: 'bad_request', message: `mentions: ${wrong.error.message}` } : null;
}

function messageOf(entry: OutboxEntry, { user, device }: Connected, { gen, seq, msgNo, at }: Ack): Message {
  const { n, sentAt, type, body } = entry;
  const by = { from: user, deviceTag: deviceTag(user, device) };
  return { gen, seq, msgNo, at, ...by, n, sentAt, type, body, ...mentionsIn(entry), countable: true };
}
