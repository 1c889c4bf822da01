import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type AnswerOf, type Encoding } from './connection.ts';
import { deviceTag } from './device-tag.ts';
import {
  ConnectionLost,
  Refused,
  type Answers,
  type ErrorFrame,
  type Message,
  type PushFrame,
  type RequestName,
  type UnaskedFrame,
} from './frames.ts';
import { Outbox } from './outbox.ts';
import { comparePositions, Store, type OutboxMessage } from './store.ts';

const KEPT_PUSHES_MAX = 100;

export interface DeviceOptions {
  readonly url: string;
  readonly user: string;
  readonly device: string;
  readonly encoding: Encoding;
  readonly token: () => Promise<string>;
  readonly store?: Store;
  /** Messages wanted in one answer to `sync`. */
  readonly syncLimit?: number;
}

/**
 * A device of one user that does what docs/protocol.md says and nothing else: stays connected, sends what is in its
 * outbox, applies pushes, and syncs where they leave a gap.
 */
export class IndependentDevice {
  readonly store: Store;
  readonly tag: number;
  /** What came unasked, apart from pushes. */
  readonly unasked: UnaskedFrame[] = [];
  readonly pushes: PushFrame[] = [];
  readonly syncs: Answers['synced'][] = [];
  readonly refusals: ErrorFrame[] = [];
  readonly acks: Answers['ack'][] = [];
  /** The close codes of the connections so far. */
  readonly closes: number[] = [];
  readonly #connections: Connection[] = [];
  readonly #outboxes = new Map<string, Outbox>();
  readonly #options: DeviceOptions;
  #connection: Connection | undefined;
  #session: Answers['connected'] | undefined;
  #syncing = false;
  #kept: PushFrame[] = [];
  #keptOverflowed = false;
  #resyncs = 0;
  #fetching = 0;
  #fetched: Promise<void> = Promise.resolve();
  #stopped = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.store = options.store ?? new Store();
    this.tag = deviceTag(options.user, options.device);
    for (const conversation of this.store.lanes.keys()) this.#outbox(conversation);
  }

  /** What the server did against the page. */
  get problems(): readonly string[] {
    return this.#connections.flatMap(({ problems }) => problems);
  }

  get framesChecked(): number {
    return this.#connections.reduce((sum, { framesChecked }) => sum + framesChecked, 0);
  }

  /** The answer to the last `connect`, while that connection is up. */
  get session(): Answers['connected'] | undefined {
    return this.#session;
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new ConnectionLost(1006);
    return this.#connection;
  }

  /** Whether every message is acked, and nothing is known to be missing. */
  get quiet(): boolean {
    const sent = [...this.store.lanes.values()].every(({ outbox }) => outbox.length === 0);
    return sent && this.#session !== undefined && !this.#syncing && this.#fetching === 0;
  }

  start(): void {
    this.#ended = this.#stayConnected();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#connection?.close();
    await this.#ended;
  }

  request<T extends RequestName>(t: T, fields: object = {}): Promise<AnswerOf<T>> {
    if (this.#connection === undefined) return Promise.reject(new ConnectionLost(1006));
    return this.#connection.request(t, fields);
  }

  /** Puts a message into the outbox; it is sent as soon as, and as often as, that takes. */
  send(conversation: string, body: string, type = 'text'): OutboxMessage {
    return this.#outbox(conversation).add({ sentAt: Date.now(), type, body });
  }

  async read(conversation: string, seq: number): Promise<Answers['read']> {
    const answer = await this.request('read', { conversation, seq });
    this.store.countRead(conversation, answer, this.#options.user);
    return answer;
  }

  /** Every entry of a conversation, page by page. */
  async history(conversation: string, direction: 'forward' | 'backward', limit: number): Promise<Message[]> {
    const all: Message[] = [];
    let from: number | undefined;
    for (;;) {
      const page = await this.request('history', {
        ...{ conversation, direction, limit },
        ...(from === undefined ? {} : { from }),
      });
      all.push(...page.messages);
      const last = page.messages.at(-1);
      if (!page.hasMore || last === undefined) return all;
      from = last.seq + (direction === 'forward' ? 1 : -1);
    }
  }

  #outbox(conversation: string): Outbox {
    const known = this.#outboxes.get(conversation);
    if (known !== undefined) return known;
    const outbox = new Outbox(conversation, this.store.lane(conversation), {
      acked: (message, ack) => this.#acked(message, ack),
      refused: (_, error) => this.refusals.push(error),
    });
    this.#outboxes.set(conversation, outbox);
    if (this.#session !== undefined) outbox.connected(this.connection, this.#session.limits.sendWindow);
    return outbox;
  }

  #acked({ n, sentAt, type, body }: OutboxMessage, ack: Answers['ack']): void {
    this.acks.push(ack);
    const { conversation, gen, seq, msgNo, at } = ack;
    if (ack.duplicate) {
      // One after the other: a server takes only so many queries at a time.
      this.#fetched = this.#fetched.then(() => this.#fetch(conversation, seq));
      return;
    }
    this.#take(conversation, {
      ...{ gen, seq, msgNo, at, sentAt, type, n, body },
      ...{ deviceTag: this.tag, countable: true, from: this.#options.user },
    });
  }

  /** The answer to a retry says where the message stands; what else is to know of it stands in the message itself. */
  async #fetch(conversation: string, seq: number): Promise<void> {
    if (this.store.messages(conversation).some((message) => message.seq === seq)) return;
    this.#fetching += 1;
    try {
      const page = await this.request('history', { conversation, direction: 'forward', from: seq, limit: 1 });
      for (const message of page.messages) this.#take(conversation, message);
    } catch (error) {
      // The sync of the next connection brings it.
      if (!(error instanceof ConnectionLost)) throw error;
    } finally {
      this.#fetching -= 1;
    }
  }

  /** Reconnects after every close whose code allows it, with the delay of the page. */
  async #stayConnected(): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const from = performance.now();
      const code = await this.#stayUntilClosed();
      this.closes.push(code);
      if (this.#mayNotReturn(code)) return;
      if (performance.now() - from > 60_000) attempt = 0;
      await sleep(Math.random() * Math.min(15_000, 250 * 2 ** attempt));
      if (this.#mayNotReturn(code)) return;
    }
  }

  #mayNotReturn(closeCode: number): boolean {
    return this.#stopped || (closeCode >= 4300 && closeCode <= 4399);
  }

  async #stayUntilClosed(): Promise<number> {
    const connection = new Connection(this.#options.url, this.#options.encoding, {
      unasked: (frame) => this.#unasked(connection, frame),
      closed: () => this.#disconnected(connection),
    });
    this.#connections.push(connection);
    this.#connection = connection;
    this.#syncing = true;
    let pinging: NodeJS.Timeout | undefined;
    try {
      await connection.open();
      const token = await this.#options.token();
      const { device } = this.#options;
      const session = await connection.request('connect', { token, device, client: 'independent/1.0' });
      this.#session = session;
      const everyMs = session.limits.idleMs / 2;
      pinging = setInterval(() => this.#ping(connection, session.limits.idleMs), everyMs);
      for (const outbox of this.#outboxes.values()) outbox.connected(connection, session.limits.sendWindow);
      const { position } = this.store;
      if (position === undefined || comparePositions(position, session.inbox) !== 0) await this.#sync(connection);
      else this.#caughtUp(connection);
    } catch (error) {
      // A refusal of `connect` is followed by a close; an upgrade that failed has no code.
      if (!(error instanceof ConnectionLost || error instanceof Refused)) connection.drop();
    }
    const code = await connection.closed;
    clearInterval(pinging);
    return code;
  }

  #ping(connection: Connection, idleMs: number): void {
    if (connection.silentMs > idleMs) connection.drop();
    else connection.request('ping').catch(() => undefined);
  }

  #disconnected(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#session = undefined;
    for (const outbox of this.#outboxes.values()) outbox.disconnected();
  }

  #unasked(connection: Connection, frame: UnaskedFrame): void {
    if (frame.t !== 'push') this.unasked.push(frame);
    if (frame.t === 'push') this.#push(connection, frame);
    else if (frame.t === 'resync') void this.#sync(connection);
    else if (frame.t === 'drain') void this.#drain(connection);
  }

  async #drain(connection: Connection): Promise<void> {
    for (const outbox of this.#outboxes.values()) outbox.disconnected();
    await connection.settled();
    connection.close();
  }

  #push(connection: Connection, push: PushFrame): void {
    this.pushes.push(push);
    if (this.#syncing) {
      if (this.#kept.length < KEPT_PUSHES_MAX) this.#kept.push(push);
      else this.#keptOverflowed = true;
      return;
    }
    const { position } = this.store;
    if (position?.gen !== push.gen || push.prev > position.seq) {
      void this.#sync(connection);
      return;
    }
    if (push.seq <= position.seq) return;
    for (const item of push.items) {
      if ('read' in item) this.store.countRead(item.conversation, item.read, this.#options.user);
      else {
        for (const message of item.messages) this.#take(item.conversation, message);
      }
    }
    this.store.position = { gen: push.gen, seq: push.seq };
  }

  #take(conversation: string, message: Message): void {
    if (this.store.add(conversation, message)) this.store.count(conversation, message, this.#options.user);
    if (message.deviceTag === this.tag) this.#outboxes.get(conversation)?.found(message.n);
  }

  async #sync(connection: Connection): Promise<void> {
    this.#syncing = true;
    this.#resyncs += 1;
    const turn = this.#resyncs;
    try {
      while (await this.#syncOnce(connection));
    } catch (error) {
      if (error instanceof ConnectionLost) return;
      if (!(error instanceof Refused)) throw error;
      if (error.frame.retry === 'later') await sleep(error.frame.retryAfterMs ?? 250);
      else this.store.token = undefined;
      await this.#sync(connection);
      return;
    }
    if (turn === this.#resyncs) this.#caughtUp(connection);
  }

  /** @returns whether there is more. */
  async #syncOnce(connection: Connection): Promise<boolean> {
    const { token, position, tokenPosition } = this.store;
    const past = position !== undefined && tokenPosition !== undefined && comparePositions(position, tokenPosition) > 0;
    const answer = await connection.request('sync', {
      ...(token === undefined ? {} : { token }),
      ...(token !== undefined && past ? { seen: position } : {}),
      ...(this.#options.syncLimit === undefined ? {} : { limit: this.#options.syncLimit }),
    });
    this.syncs.push(answer);
    for (const { summary, messages } of answer.conversations) {
      for (const message of messages) this.#take(summary.conversation, message);
      this.store.summarise(summary, this.#options.user);
    }
    this.store.position = answer.inbox;
    this.store.tokenPosition = answer.inbox;
    this.store.token = answer.token;
    return answer.hasMore;
  }

  #caughtUp(connection: Connection): void {
    this.#syncing = false;
    const kept = this.#kept;
    this.#kept = [];
    if (this.#keptOverflowed) {
      this.#keptOverflowed = false;
      void this.#sync(connection);
      return;
    }
    for (const push of kept) this.#push(connection, push);
  }
}
