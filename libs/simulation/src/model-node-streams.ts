import { err, invariant, ok, type Clock, type NodeId, type Result, type Timers } from '@millrace/kernel';
import type { NodeStreams, Reader, SendAnswer, StreamBounds, StreamError } from '@millrace/node-link';
import type { ModelFate } from './model-connection.ts';
import { ModelStreamsState, type StreamOperation } from './model-streams-state.ts';

/** `hold` is the reader's trim and its look whether the stream is still its own; `read` brings it what was added. */
export type StreamRequest = 'open' | 'send' | 'read' | 'hold' | 'discard';

export interface ModelNodeStreamsParts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Asked once for each request, a turn's sends to one node being one; by default nothing ever happens. */
  readonly fate?: (request: StreamRequest, node: NodeId) => ModelFate;
  /** Default 8,192 entries, 16 MiB. */
  readonly bounds?: StreamBounds;
  /** After this without an answer a client gives its connection up. Default 5,000. */
  readonly answerMsMax?: number;
  /** How long a new connection takes. Default 20. */
  readonly reconnectMs?: number;
}

const noFault: ModelFate = { kind: 'none', requestMs: 0, replyMs: 0 };
const RETRY_MS = 20;

type Reply<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: 'refused' | 'unknown' };

/**
 * A Redis with node streams, in memory and on handed-in time, and any number of clients of it. It can lose, delay and
 * refuse what it is asked, crash, and come back with an older state. It never expires a stream.
 *
 * (M1) The requests of one client are executed in the order in which they were made, each at one instant.
 * (M2) The log holds every operation that was executed; the state is what the log amounts to. Ids of entries rise over
 *      crashes, too, as the clock of a Redis does that goes right.
 */
export class ModelNodeStreams {
  readonly parts: ModelNodeStreamsParts;
  readonly #clients = new Set<ModelStreamsClient>();
  readonly #readers = new Map<NodeId, Set<ModelReader>>();
  #state = new ModelStreamsState();
  #kept = new ModelStreamsState();
  #log: StreamOperation[] = [];
  #executed = 0;
  #lastId = 0;
  #life = 0;

  constructor(parts: ModelNodeStreamsParts) {
    this.parts = parts;
  }

  get state(): ModelStreamsState {
    return this.#state;
  }

  /** How many operations a crash could lose at most. */
  get logLength(): number {
    return this.#log.length;
  }

  /** How many operations there have been, those that were lost too. */
  get executed(): number {
    return this.#executed;
  }

  /**
   * Forgets how the state came to be: no crash loses any of it from now on. Streams that nobody reads expire, and what is
   * known of their clients.
   */
  keep(): void {
    for (const [node, readers] of this.#readers) {
      if (readers.size > 0) continue;
      this.#readers.delete(node);
      this.#state.apply({ kind: 'delete', node });
    }
    this.#kept = this.#state.copy();
    this.#log = [];
  }

  /** The process of that client is gone for good. */
  forget(client: ModelStreamsClient): void {
    this.#clients.delete(client);
    client.end();
  }

  /** Rises with every crash: what was under way to a dead Redis is not executed by the next one. */
  get life(): number {
    return this.#life;
  }

  get bounds(): StreamBounds {
    return this.parts.bounds ?? { entriesMax: 8_192, bytesMax: 16 * 1024 * 1024 };
  }

  connect(): ModelStreamsClient {
    const client = new ModelStreamsClient(this);
    this.#clients.add(client);
    return client;
  }

  /** Kills Redis and starts it again without the last `lostOperations` of its log. */
  crash({ lostOperations, downMs }: { readonly lostOperations: number; readonly downMs: number }): void {
    invariant(lostOperations >= 0 && lostOperations <= this.#log.length, 'a crash cannot lose more than there is');
    this.#log = this.#log.slice(0, this.#log.length - lostOperations);
    this.#state = this.#kept.copy();
    for (const operation of this.#log) this.#state.apply(operation);
    this.#life += 1;
    for (const client of this.#clients) client.cut(downMs);
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  execute(operation: StreamOperation): void {
    this.#log.push(operation);
    this.#executed += 1;
    this.#state.apply(operation);
    if (operation.kind === 'add') for (const reader of this.#readers.get(operation.node) ?? []) reader.wake();
  }

  add(node: NodeId, entries: readonly Uint8Array[]): readonly SendAnswer[] {
    return entries.map((entry) => {
      const code = this.#state.admits(node, this.bounds);
      if (code === 'sent') this.execute({ kind: 'add', node, id: this.nextId(), entry });
      return { code };
    });
  }

  reads(node: NodeId, reader: ModelReader): void {
    this.#readers.set(node, (this.#readers.get(node) ?? new Set()).add(reader));
  }

  readsNoMore(node: NodeId, reader: ModelReader): void {
    this.#readers.get(node)?.delete(reader);
  }
}

interface Waiting {
  readonly entry: Uint8Array;
  readonly resolve: (answer: SendAnswer) => void;
}

/** One process's connection to the model. */
export class ModelStreamsClient implements NodeStreams {
  readonly #model: ModelNodeStreams;
  readonly #inFlight = new Set<() => void>();
  readonly #waiting = new Map<NodeId, Waiting[]>();
  readonly #readers = new Set<ModelReader>();
  #connection = 1;
  #connected = true;
  #executesFromMs = 0;
  #paused = false;

  constructor(model: ModelNodeStreams) {
    this.#model = model;
  }

  /** Whether its readers can read. */
  get reads(): boolean {
    return this.#connected && !this.#paused;
  }

  /** Ends the connection; Redis itself goes on, and may still execute what was under way. */
  cut(reconnectMs = this.#model.parts.reconnectMs ?? 20): void {
    this.#connection += 1;
    this.#connected = false;
    const connection = this.#connection;
    for (const reader of this.#readers) reader.suspect();
    for (const fail of [...this.#inFlight]) fail();
    this.#model.parts.timers.after(reconnectMs, () => {
      if (connection !== this.#connection) return;
      this.#connected = true;
      for (const reader of this.#readers) reader.wake();
    });
  }

  /** Its readers read no more. */
  end(): void {
    for (const reader of this.#readers) reader.close();
  }

  /** Takes nothing until `resume`, as a process does that is stopped or busy. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const reader of this.#readers) reader.wake();
  }

  async open(node: NodeId, take: (entries: readonly Uint8Array[]) => void): Promise<Result<Reader, StreamError>> {
    const run = this.#model.nextId();
    const reply = await this.carry('open', node, () => this.#model.execute({ kind: 'open', node, run }));
    if (!reply.ok) return err({ code: 'unavailable', message: 'the stream could not be opened' });
    const reader = new ModelReader(this.#model, this, node, run, take);
    this.#readers.add(reader);
    reader.wake();
    return ok({
      onReset: (listener) => reader.onReset(listener),
      close: async () => {
        reader.close();
        this.#readers.delete(reader);
        await this.discard(node);
      },
    });
  }

  send(node: NodeId, entry: Uint8Array): Promise<SendAnswer> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(node) ?? [];
      waiting.push({ entry, resolve });
      if (waiting.length > 1) return;
      this.#waiting.set(node, waiting);
      this.#model.parts.timers.soon(() => {
        this.#waiting.delete(node);
        void this.#sendAll(node, waiting);
      });
    });
  }

  async discard(node: NodeId): Promise<Result<null, StreamError>> {
    const reply = await this.carry('discard', node, () => this.#model.execute({ kind: 'delete', node }));
    return reply.ok ? ok(null) : err({ code: 'unavailable', message: 'the stream could not be discarded' });
  }

  async #sendAll(node: NodeId, waiting: readonly Waiting[]): Promise<void> {
    const reply = await this.carry('send', node, () =>
      this.#model.add(
        node,
        waiting.map(({ entry }) => entry),
      ),
    );
    const failed: SendAnswer = {
      code: !reply.ok && reply.failure === 'refused' ? 'unavailable' : 'unknown',
      message: 'the send was not answered',
    };
    waiting.forEach(({ resolve }, index) => resolve((reply.ok ? reply.value[index] : undefined) ?? failed));
  }

  /** Carries one request to the model and its answer back, or tells what came between. */
  carry<T>(request: StreamRequest, node: NodeId, execute: () => T): Promise<Reply<T>> {
    const { clock, timers, answerMsMax = 5_000, fate } = this.#model.parts;
    if (!this.#connected) return Promise.resolve({ ok: false, failure: 'refused' });
    const { kind, requestMs, replyMs } = fate?.(request, node) ?? noFault;
    const { life } = this.#model;
    const connection = this.#connection;
    return new Promise((resolve) => {
      const fail = (): void => {
        settle({ ok: false, failure: 'unknown' });
      };
      const settle = (reply: Reply<T>): void => {
        if (this.#inFlight.delete(fail)) resolve(reply);
      };
      this.#inFlight.add(fail);
      const giveUp = (): void => {
        timers.after(answerMsMax, () => {
          if (this.#inFlight.has(fail) && connection === this.#connection) this.cut();
        });
      };
      if (kind === 'lose-request') {
        giveUp();
        return;
      }
      const nowMs = clock.monotonicMs();
      this.#executesFromMs = Math.max(this.#executesFromMs, nowMs + requestMs);
      timers.after(this.#executesFromMs - nowMs, () => {
        if (life !== this.#model.life) return;
        if (kind === 'refuse') {
          settle({ ok: false, failure: 'refused' });
          return;
        }
        const value = execute();
        if (kind === 'lose-reply') giveUp();
        else timers.after(replyMs, () => settle({ ok: true, value }));
      });
    });
  }
}

/** Reads one stream, as soon as something is in it, and looks after a reconnect whether it is still there. */
class ModelReader {
  readonly #model: ModelNodeStreams;
  readonly #client: ModelStreamsClient;
  readonly #node: NodeId;
  readonly #take: (entries: readonly Uint8Array[]) => void;
  readonly #resets = new Set<() => void>();
  #run: number;
  #cursor = 0;
  #isSuspect = false;
  #isBusy = false;
  /** Something has happened since it looked last. */
  #isWanted = false;
  #isClosed = false;

  constructor(
    model: ModelNodeStreams,
    client: ModelStreamsClient,
    node: NodeId,
    run: number,
    take: (entries: readonly Uint8Array[]) => void,
  ) {
    this.#model = model;
    this.#client = client;
    this.#node = node;
    this.#run = run;
    this.#take = take;
    model.reads(node, this);
  }

  onReset(listener: () => void): () => void {
    this.#resets.add(listener);
    return () => this.#resets.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#model.readsNoMore(this.#node, this);
  }

  /** The connection was lost: whoever answers next may have forgotten something. */
  suspect(): void {
    this.#isSuspect = true;
  }

  wake(): void {
    this.#isWanted = true;
    if (this.#isBusy || this.#isClosed || !this.#client.reads) return;
    this.#isBusy = true;
    this.#isWanted = false;
    void (this.#isSuspect ? this.#verify() : this.#read()).then((again) => {
      this.#isBusy = false;
      if (again === 'later') this.#model.parts.timers.after(RETRY_MS, () => this.wake());
      else if (again === 'now' || this.#isSuspect || this.#isWanted) this.wake();
    });
  }

  async #read(): Promise<'now' | 'later' | 'idle'> {
    const run = this.#run;
    const reply = await this.#client.carry('read', this.#node, () =>
      this.#model.state.after(this.#node, run, this.#cursor),
    );
    if (!reply.ok) return 'later';
    const last = reply.value.at(-1);
    if (last === undefined || this.#isClosed || run !== this.#run) return 'idle';
    // A process that is stopped finds what it has read when it goes on.
    if (!this.#client.reads) return 'later';
    this.#cursor = last.id;
    this.#take(reply.value.map(({ entry }) => entry));
    void this.#hold();
    return 'now';
  }

  /** Trims what was taken. @returns whether the stream is still there, null when nobody said so. */
  async #hold(): Promise<boolean | null> {
    const [run, cursor] = [this.#run, this.#cursor];
    const reply = await this.#client.carry('hold', this.#node, () => {
      const holds = this.#model.state.holds(this.#node, run, cursor);
      if (holds) this.#model.execute({ kind: 'trim', node: this.#node, upTo: cursor });
      return holds;
    });
    if (!reply.ok) return null;
    if (!reply.value && run === this.#run) {
      this.#isSuspect = true;
      this.wake();
    }
    return reply.value;
  }

  async #verify(): Promise<'now' | 'later'> {
    this.#isSuspect = false;
    const holds = await this.#hold();
    if (holds === true) return 'now';
    this.#isSuspect = true;
    if (holds === null || this.#isClosed) return 'later';
    const run = this.#model.nextId();
    const reply = await this.#client.carry('open', this.#node, () =>
      this.#model.execute({ kind: 'open', node: this.#node, run }),
    );
    if (!reply.ok) return 'later';
    this.#run = run;
    this.#cursor = 0;
    this.#isSuspect = false;
    for (const listener of this.#resets) listener();
    return 'now';
  }
}
