import {
  InvariantViolation,
  err,
  invariant,
  ok,
  type Clock,
  type NodeId,
  type Random,
  type Result,
  type Timers,
} from '@millrace/kernel';
import { readEntry, type LinkRecord } from './entry.ts';
import { ForgottenLinks } from './forgotten-links.ts';
import type { LinkLimits, LinkSum } from './link-limits.ts';
import { hear, isIdle, isUncertain, newLink, type Link } from './link.ts';
import type { NodeStreams, Reader, SendAnswer, StreamError } from './node-streams.ts';
import { Outgoing, type Answered } from './outgoing.ts';

export interface LinkLog {
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface LinksParts {
  /** This run of this node. */
  readonly self: NodeId;
  readonly streams: NodeStreams;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: LinkLimits;
  readonly log: LinkLog;
  /**
   * A request of another node. Handed over once in each epoch of the link: a second time when the caller may have
   * missed the answer, so it must change nothing when it is repeated. `answer` is called once, now or later.
   */
  onRequest(this: void, from: NodeId, payload: Uint8Array, answer: (payload: Uint8Array) => void): void;
  onNote(this: void, from: NodeId, payload: Uint8Array): void;
  /** Notes of that node are lost. Called before anything that it sent behind them is handed over. */
  onGap(this: void, from: NodeId): void;
  /** That node's stream does not exist: its run is over, and the link was forgotten. */
  onGone(this: void, node: NodeId): void;
}

/** What is kept at present, for metrics and tests. */
export interface LinksSize {
  readonly links: number;
  readonly unanswered: number;
  readonly unansweredBytes: number;
  readonly queuedBytes: number;
}

/**
 * What this node says to the others, and hears of them, over their streams.
 *
 * (K1) A call is answered exactly once, and never before `call` returns.
 * (K2) Requests and notes to one node are handed over in the order in which they were given, each once in an epoch of
 *      the link. A new epoch begins when an entry was lost, with what is unanswered; nobody waits for ever.
 * (K3) A note is handed over once or not at all, and `onGap` comes before anything that follows on a lost one.
 * (K4) One entry to a node is under way at a time; what is said meanwhile gathers behind it and goes together. An entry
 *      whose reply was lost is sent again as it is, and the receiver drops the repeat.
 * (K5) Everything is bounded by the limits (I9). Of a node that is gone or forgotten nothing is kept but where it stood,
 *      so that nothing of it is handed over again: it has to begin a new epoch, should it be alive.
 */
export class Links {
  readonly #parts: LinksParts;
  readonly #links = new Map<NodeId, Link>();
  #reader: Reader | null = null;
  #closed = false;
  #nextId = 1;
  #lastEpoch: number;
  readonly #forgotten: ForgottenLinks;
  readonly #sum: LinkSum = { unansweredBytes: 0, queuedBytes: 0 };

  constructor(parts: LinksParts) {
    this.#parts = parts;
    // At random, so that a node that is given the name of another one is not taken for it.
    this.#lastEpoch = parts.random.uint32();
    this.#forgotten = new ForgottenLinks(parts.limits.linksMax);
  }

  get size(): LinksSize {
    let [unanswered, unansweredBytes, queuedBytes] = [0, 0, 0];
    for (const { outgoing } of this.#links.values()) {
      unanswered += outgoing.unanswered;
      unansweredBytes += outgoing.unansweredBytes;
      queuedBytes += outgoing.queuedBytes;
    }
    return { links: this.#links.size, unanswered, unansweredBytes, queuedBytes };
  }

  /** Creates this node's stream: from now on others reach it. */
  async open(): Promise<Result<null, StreamError>> {
    const { self, streams } = this.#parts;
    const opened = await streams.open(self, (entries) => {
      for (const entry of entries) this.#take(entry);
    });
    if (!opened.ok) return opened;
    this.#reader = opened.value;
    opened.value.onReset(() => {
      // Whoever was added to the old stream does not know that it was lost: its next entry shows it.
      for (const link of this.#links.values()) this.#ask(link);
    });
    return ok(null);
  }

  /** Deletes this node's stream. What is unanswered is answered `gone`, and so is every later call. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const node of [...this.#links.keys()]) this.forget(node);
    await this.#reader?.close();
  }

  call(to: NodeId, payload: Uint8Array, answered: Answered): void {
    const link = this.#linkTo(to);
    if (payload.length > this.#parts.limits.payloadBytesMax || link?.outgoing.hasRoomFor(payload) !== true) {
      const code = this.#closed ? 'gone' : 'overloaded';
      const message = this.#closed ? 'this node is stopping' : `too much waits for node ${to}`;
      this.#parts.timers.soon(() => answered(err({ code, message })));
      return;
    }
    link.outgoing.request(this.#nextId++, payload, answered);
    this.#watch(link);
    this.#wake(link);
  }

  note(to: NodeId, payload: Uint8Array): void {
    const link = this.#linkTo(to);
    if (link === null) this.#forgotten.add(to, null);
    else {
      link.outgoing.note(payload);
      this.#watch(link);
      this.#wake(link);
    }
  }

  /** The share of the bounds on what waits that is taken for this node, 0..1 as a rule: a note is lost from 1 on. */
  backlog(to: NodeId): number {
    const { queuedBytesMax, queuedBytesOverAllMax } = this.#parts.limits;
    const queuedBytes = this.#links.get(to)?.outgoing.queuedBytes ?? 0;
    return Math.max(queuedBytes / queuedBytesMax, this.#sum.queuedBytes / queuedBytesOverAllMax);
  }

  /** That node's run is over: its unanswered calls are answered `gone`, and nothing is kept for it. */
  forget(to: NodeId): void {
    const link = this.#links.get(to);
    if (link !== undefined) this.#end(link, 'its run is over');
  }

  /** After a reconnect to the store: asks wherever something may have been lost whether everything arrived. */
  probe(): void {
    for (const link of this.#links.values()) if (isUncertain(link)) this.#ask(link);
  }

  /** Null when it would be one too many. */
  #linkTo(node: NodeId): Link | null {
    invariant(node !== this.#parts.self, 'a node does not reach itself over the store');
    return this.#closed ? null : this.#openLink(node);
  }

  #openLink(node: NodeId): Link | null {
    const { clock, limits } = this.#parts;
    const known = this.#links.get(node);
    if (known !== undefined) return known;
    if (this.#links.size >= limits.linksMax && !this.#makeRoom()) return null;
    const { notes, incoming } = this.#forgotten.remember(node);
    const outgoing = new Outgoing(this.#epochAbove(0), notes, limits, this.#sum);
    const link = newLink(node, outgoing, incoming, clock.monotonicMs());
    this.#links.set(node, link);
    return link;
  }

  /** Forgets the idle link that was silent longest. */
  #makeRoom(): boolean {
    let found: Link | null = null;
    for (const link of this.#links.values()) {
      if (isIdle(link) && (found === null || link.heardMs < found.heardMs)) found = link;
    }
    if (found !== null) this.#end(found, 'it was idle');
    return found !== null;
  }

  #epochAbove(epoch: number): number {
    this.#lastEpoch = Math.max(this.#lastEpoch, epoch) + 1;
    return this.#lastEpoch;
  }

  #end(link: Link, why: string): void {
    link.ended = true;
    link.retry?.();
    link.watch?.();
    link.inFlight = null;
    this.#links.delete(link.node);
    this.#forgotten.add(link.node, link.incoming);
    const gone = err({ code: 'gone', message: `node ${link.node} is gone: ${why}` } as const);
    for (const answered of link.outgoing.end()) this.#guard('an answer', link.node, () => answered(gone));
  }

  #ask(link: Link): void {
    link.outgoing.ask();
    // What waits to be tried again need not wait any longer.
    if (link.retry !== null) this.#retry(link);
    this.#wake(link);
  }

  /**
   * Asks for a sign of life whenever one has been missing for a while, as long as something is unanswered, or a note that
   * may be lost has none behind it that would show the hole.
   */
  #watch(link: Link): void {
    if (link.watch !== null) return;
    const { clock, limits, timers } = this.#parts;
    const sinceMs = clock.monotonicMs();
    const { epoch, seq } = link.outgoing;
    link.watch = timers.after(limits.silenceMs, () => {
      link.watch = null;
      if (link.outgoing.unanswered === 0 && !link.outgoing.hasUnconfirmedNotes) return;
      const isConfirmed = link.outgoing.epoch === epoch && link.outgoing.confirmedSeq >= seq;
      if (link.heardMs <= sinceMs || !isConfirmed) this.#ask(link);
      this.#watch(link);
    });
  }

  /** Packs the next entry at the end of this turn, unless one is under way: its answer wakes the link again. */
  #wake(link: Link): void {
    if (link.flushDue || link.inFlight !== null || link.ended) return;
    link.flushDue = true;
    this.#parts.timers.soon(() => {
      link.flushDue = false;
      this.#flush(link);
    });
  }

  #flush(link: Link): void {
    if (link.ended) return;
    const { epoch, isAtHole } = link.outgoing;
    if (isAtHole) link.restart ??= { epoch: this.#epochAbove(epoch), isForgotten: false };
    if (link.restart !== null) {
      link.outgoing.restart(link.restart.epoch, link.restart.isForgotten);
      link.restart = null;
    }
    const entry = link.outgoing.next(this.#parts.self, link.incoming);
    if (entry === null) return;
    link.inFlight = entry;
    this.#send(link, entry);
  }

  #send(link: Link, entry: Uint8Array): void {
    void this.#parts.streams.send(link.node, entry).then((answer) => {
      if (!link.ended) this.#sent(link, answer);
    });
  }

  #sent(link: Link, answer: SendAnswer): void {
    const { limits, random, timers } = this.#parts;
    switch (answer.code) {
      case 'sent':
        link.inFlight = null;
        link.attempts = 0;
        if (link.outgoing.hasNext || link.restart !== null) this.#wake(link);
        return;
      case 'gone':
        this.#end(link, 'its stream does not exist');
        this.#guard('a node is gone', link.node, () => this.#parts.onGone(link.node));
        return;
      default: {
        const delayMs = Math.min(limits.retryMsMax, limits.retryMsMin * 2 ** Math.min(link.attempts, 20));
        link.attempts += 1;
        link.retry = timers.after(delayMs * (0.5 + random.fraction() / 2), () => this.#retry(link));
      }
    }
  }

  #retry(link: Link): void {
    link.retry?.();
    link.retry = null;
    if (link.inFlight !== null && !link.ended) this.#send(link, link.inFlight);
  }

  #take(bytes: Uint8Array): void {
    const { clock, log, self } = this.#parts;
    const entry = readEntry(bytes);
    if (!entry.ok || entry.value.head.from === self) {
      const why = entry.ok ? 'it claims to come from this node' : entry.error.message;
      log.warn('an entry of this node\u2019s stream was dropped', { why, bytes: bytes.length });
      return;
    }
    if (this.#closed) return;
    const { head, records } = entry.value;
    const link = this.#openLink(head.from);
    if (link === null) {
      log.warn('an entry of one node too many was dropped', { from: head.from });
      return;
    }
    link.heardMs = clock.monotonicMs();
    const { take, gap } = hear(link, head, records, (above) => this.#epochAbove(above));
    if (gap) this.#guard('notes were lost', link.node, () => this.#parts.onGap(link.node));
    if (take) for (const record of records) this.#handOver(link, record);
    if (link.outgoing.hasNext || link.restart !== null) this.#wake(link);
  }

  #handOver(link: Link, record: LinkRecord): void {
    const { onGap, onNote, onRequest } = this.#parts;
    const { node } = link;
    if (link.ended) return;
    switch (record.kind) {
      case 'request':
        this.#guard('a request', node, () => onRequest(node, record.payload, this.#answerTo(link, record.id)));
        return;
      case 'answer': {
        const answered = link.outgoing.settle(record.id);
        if (answered !== undefined) this.#guard('an answer', node, () => answered(ok(record.payload)));
        return;
      }
      case 'note':
        this.#guard('a note', node, () => onNote(node, record.payload));
        return;
      default:
        this.#guard('notes were lost', node, () => onGap(node));
    }
  }

  #answerTo(link: Link, id: number): (payload: Uint8Array) => void {
    let isAnswered = false;
    return (payload) => {
      const { limits, log } = this.#parts;
      invariant(!isAnswered, 'a request is answered once');
      invariant(payload.length <= limits.payloadBytesMax, `an answer of ${String(payload.length)} bytes`);
      isAnswered = true;
      if (link.ended) return;
      if (!link.outgoing.answer(id, payload)) log.warn('an answer was lost: too much waits', { to: link.node });
      this.#wake(link);
    };
  }

  /** A handler that throws must not keep from their handlers what else is in the entry. */
  #guard(what: string, node: NodeId, handle: () => void): void {
    try {
      handle();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const isBug = error instanceof InvariantViolation;
      this.#parts.log.error('a handler of the link failed', { what, node, why, isBug });
    }
  }
}
