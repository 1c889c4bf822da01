import { fromUtf8, invariant, seededRandom, utf8, type NodeId, type Random } from '@millrace/kernel';
import { defaultLinkLimits, Links, type LinkLimits, type NodeStreams } from '@millrace/node-link';
import { epochOf } from '@millrace/node-link/conformance';
import { ModelNodeStreams, type ModelStreamsClient, type StreamRequest } from '../model-node-streams.ts';
import type { ModelFate } from '../model-connection.ts';
import { VirtualTime } from '../virtual-time.ts';

/** What one node was told, in order. `epoch` is that of the entry it came with. */
export interface Told {
  readonly what: 'request' | 'note' | 'gap';
  readonly from: NodeId;
  readonly number: number;
  readonly epoch: string;
}

export interface ACall {
  readonly to: NodeId;
  readonly text: string;
  readonly outcomes: string[];
}

const LIMITS: LinkLimits = {
  ...defaultLinkLimits,
  entryBytesMax: 300,
  unansweredMax: 40,
  unansweredBytesMax: 4_000,
  queuedBytesMax: 1_000,
  silenceMs: 500,
  retryMsMax: 200,
};
/** What is packed again after a loss, what waits, and one record more than the bound. */
const QUEUED_BYTES_MAX = LIMITS.unansweredBytesMax + 2 * LIMITS.queuedBytesMax + 300;
const ANSWER_MS_MAX = 200;
/** In one stretch of time; far more than the steps of one cause. */
const EVENTS_MAX = 50_000;

/** One run of one node: its links, and everything that it was told. */
export class LinkedNode {
  readonly id: NodeId;
  readonly links: Links;
  readonly client: ModelStreamsClient;
  readonly told: Told[] = [];
  readonly calls: ACall[] = [];
  readonly gone = new Set<NodeId>();
  readonly troubles: string[] = [];
  readonly notesTo = new Map<NodeId, number>();
  isAlive = true;
  #number = 0;
  #epoch = '';

  constructor(id: NodeId, cluster: LinkedNodes, random: Random) {
    this.id = id;
    this.client = cluster.model.connect();
    const { timers, clock } = cluster.time;
    // Entry by entry, so that what is handed over can be told apart by epoch.
    const streams: NodeStreams = {
      open: (node, take) =>
        this.client.open(node, (entries) => {
          for (const entry of entries) {
            this.#epoch = epochOf(entry);
            if (this.isAlive) take([entry]);
          }
        }),
      send: (to, entry) => this.client.send(to, entry),
      discard: (node) => this.client.discard(node),
    };
    const tell = (what: Told['what'], from: NodeId, payload?: Uint8Array): void => {
      const number = payload === undefined ? 0 : Number(fromUtf8(payload).split(' ')[0]);
      this.told.push({ what, from, number, epoch: this.#epoch });
    };
    this.links = new Links({
      self: id,
      streams,
      clock,
      timers,
      random,
      limits: LIMITS,
      log: {
        warn: () => undefined,
        error: (message, fields) => this.troubles.push(`${message} ${JSON.stringify(fields)}`),
      },
      onRequest: (from, payload, answer) => {
        tell('request', from, payload);
        const reply = utf8(`re:${fromUtf8(payload)}`);
        const delayMs = cluster.answerDelayMs();
        if (delayMs === 0) answer(reply);
        else timers.after(delayMs, () => this.isAlive && answer(reply));
      },
      onNote: (from, payload) => tell('note', from, payload),
      onGap: (from) => tell('gap', from),
      onGone: (node) => this.gone.add(node),
    });
  }

  call(to: NodeId, bytes: number): void {
    this.#number += 1;
    const text = `${String(this.#number)} ${'x'.repeat(bytes)}`;
    const call: ACall = { to, text, outcomes: [] };
    this.calls.push(call);
    this.links.call(to, utf8(text), (outcome) => {
      call.outcomes.push(outcome.ok ? fromUtf8(outcome.value) : outcome.error.code);
    });
    if (call.outcomes.length > 0) this.troubles.push('a call was answered before it returned');
  }

  note(to: NodeId): void {
    const number = (this.notesTo.get(to) ?? 0) + 1;
    this.notesTo.set(to, number);
    this.links.note(to, utf8(String(number)));
  }

  /** The process ends without a word. */
  kill(): void {
    this.isAlive = false;
    this.client.pause();
    this.client.cut(Number.MAX_SAFE_INTEGER);
  }
}

/** Some nodes over one model of a store, with faults by chance until it is healed. */
export class LinkedNodes {
  readonly time = new VirtualTime();
  readonly model: ModelNodeStreams;
  readonly nodes: readonly LinkedNode[];
  readonly #random: Random;
  #faultShare = 0;
  #slowAnswers = false;

  constructor(count: number, seed: number) {
    this.#random = seededRandom(seed);
    this.model = new ModelNodeStreams({
      clock: this.time.clock,
      timers: this.time.timers,
      bounds: { entriesMax: 20, bytesMax: 3_000 },
      answerMsMax: ANSWER_MS_MAX,
      fate: (request) => this.#fate(request),
    });
    this.nodes = Array.from(
      { length: count },
      (_, index) => new LinkedNode(`n${String(index)}` as NodeId, this, seededRandom(seed + index + 1)),
    );
  }

  get living(): readonly LinkedNode[] {
    return this.nodes.filter(({ isAlive }) => isAlive);
  }

  /** Opens every node's stream, without faults. */
  async open(): Promise<void> {
    const opened = Promise.all(this.nodes.map(({ links }) => links.open()));
    let isDone = false;
    void opened.then(() => (isDone = true));
    await this.time.run(() => isDone, 10_000);
  }

  /** @param share - how many of the requests to the store meet a fault, 0..1. */
  disturb(share: number): void {
    this.#faultShare = share;
    this.#slowAnswers = true;
  }

  /** Nothing goes wrong from now on. */
  heal(): void {
    this.#faultShare = 0;
    this.#slowAnswers = false;
    for (const { client } of this.living) client.resume();
  }

  async run(ms: number): Promise<void> {
    const untilMs = this.time.nowMs + ms;
    this.time.timers.after(ms, () => undefined);
    const mostHappened = this.time.happened + EVENTS_MAX;
    await this.time.run(() => {
      this.#checkBounds();
      invariant(this.time.happened < mostHappened, 'the links do not come to rest');
      return this.time.nowMs >= untilMs;
    }, untilMs);
  }

  answerDelayMs(): number {
    return this.#slowAnswers && this.#random.fraction() < 0.3 ? Math.floor(this.#random.fraction() * 800) : 0;
  }

  #checkBounds(): void {
    for (const node of this.nodes) {
      const { unanswered, unansweredBytes, queuedBytes } = node.links.size;
      const others = this.nodes.length - 1;
      if (
        unanswered > LIMITS.unansweredMax * others ||
        unansweredBytes > LIMITS.unansweredBytesMax * others ||
        queuedBytes > QUEUED_BYTES_MAX * others
      )
        node.troubles.push(`over the bounds: ${JSON.stringify(node.links.size)}`);
    }
  }

  #fate(request: StreamRequest): ModelFate {
    const chance = (): number => this.#random.fraction();
    const delayMs = (): number => (this.#faultShare > 0 && chance() < 0.5 ? Math.floor(chance() * 20) : 0);
    const delays = { requestMs: delayMs(), replyMs: delayMs() };
    // A read that is lost is a connection that is lost: it is made again with the next one.
    if (request === 'open' || chance() >= this.#faultShare) return { kind: 'none', ...delays };
    const kinds = ['lose-request', 'lose-reply', 'refuse'] as const;
    return { kind: kinds[Math.floor(chance() * kinds.length)] ?? 'none', ...delays };
  }
}
