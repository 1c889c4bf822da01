import { systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import { Latency } from '../measure/latency.ts';
import type { FrameSocket } from './frame-socket.ts';
import type { BurstLoad, LoadPlan, LoadResult, LoadRun } from './load-plan.ts';
import { millraceWire } from './millrace-wire.ts';
import { ageAt, newPayload, numberAt, streamAt, writePayload } from './payload.ts';
import { relayWire } from './relay-wire.ts';
import type { Wire, WireSink } from './wire.ts';

const OPEN_AT_ONCE = 64;
const FAULTS_MAX = 20;
const SERIES_TENTHS = 10;
const RESEND_MS = 50;
const RESEND_MS_MAX = 500;
/** A stream that was refused so often, and got nothing through meanwhile, is given up. */
const RESENDS_MAX = 100;

const nowMicros = (): number => systemClock.monotonicMs() * 1000;

interface Pending {
  readonly due: number;
  acked: boolean;
  deliveriesLeft: number;
}

interface Stream {
  readonly index: number;
  readonly sender: number;
  readonly deliveries: number;
  n: number;
  readonly pending: Map<number, Pending>;
  /** When messages were due that wait for room in the window, microseconds. */
  waiting: number[];
  resends: number;
  /** Sent, and neither acknowledged nor refused yet. */
  inFlight: number;
  /** Something was refused: nothing is sent before that is. */
  rewinding: boolean;
  dead: boolean;
}

/**
 * Sends the messages of many streams and follows each to its ack and to everyone it is for.
 *
 * (L1) A stream has at most `window` messages that are not yet acknowledged and delivered to all.
 * (L2) A message's latencies count from when it was due, so that a generator that falls behind does not hide it.
 * (L3) Deliveries are counted for each receiver: a number that comes twice is a duplicate, one that is left out a gap.
 */
export class LoadGenerator implements WireSink {
  readonly #plan: LoadPlan;
  readonly #wire: Wire;
  readonly #sockets: FrameSocket[] = [];
  readonly #streams: Stream[];
  readonly #streamOfUser = new Map<number, Stream>();
  /** For each receiver the last number of each stream. */
  readonly #lastSeen: Uint32Array[];
  readonly #payload: Uint8Array;
  readonly #faults: string[] = [];
  #counts = { sent: 0, acked: 0, delivered: 0, refused: 0, duplicated: 0, gaps: 0 };
  #ack = new Latency();
  #deliver = new Latency();
  #measured = { acked: 0, delivered: 0 };
  #series: number[] = [];
  #measuring = false;
  #sending = false;
  #saturated = false;
  #underWay = 0;
  /** Messages that are due and not sent yet: only in a burst. */
  #waiting = 0;
  #waitingMax = 0;
  #startedMicros = 0;
  #idle: (() => void) | null = null;
  #closing = false;
  #enough: () => void = () => undefined;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#wire = plan.target === 'millrace' ? millraceWire(plan, this) : relayWire(plan, this);
    this.#payload = newPayload(plan.payloadBytes);
    this.#streams = plan.streams.map(({ sender, deliveries }, index) => ({
      index,
      sender,
      deliveries,
      n: 0,
      pending: new Map(),
      waiting: [],
      resends: 0,
      inFlight: 0,
      rewinding: false,
      dead: false,
    }));
    for (const stream of this.#streams) this.#streamOfUser.set(stream.sender, stream);
    this.#lastSeen = plan.users.map(() => new Uint32Array(plan.streams.length));
  }

  async open(): Promise<void> {
    let next = 0;
    const openSome = async (): Promise<void> => {
      while (next < this.#plan.users.length) {
        const user = next;
        next += 1;
        this.#sockets[user] = await this.#wire.open(user);
      }
    };
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, openSome));
  }

  close(): void {
    this.#closing = true;
    for (const socket of this.#sockets) socket.close();
  }

  #fault(text: string): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(text);
  }

  #send(stream: Stream, due: number): void {
    stream.n += 1;
    stream.pending.set(stream.n, { due, acked: false, deliveriesLeft: stream.deliveries });
    this.#underWay += 1;
    this.#counts.sent += 1;
    this.#transmit(stream, stream.n, due);
  }

  #transmit(stream: Stream, n: number, due: number): void {
    if (stream.rewinding) return;
    stream.inFlight += 1;
    writePayload(this.#payload, stream.index, n, due);
    this.#sockets[stream.sender]?.send(this.#wire.encode(stream.index, n, this.#payload));
  }

  acked(user: number, n: number): void {
    const stream = this.#streamOfUser.get(user);
    const pending = stream?.pending.get(n);
    if (stream === undefined || pending === undefined || pending.acked) return;
    pending.acked = true;
    stream.resends = 0;
    this.#answered(stream);
    this.#counts.acked += 1;
    if (this.#measuring) {
      const now = nowMicros();
      this.#measured.acked += 1;
      this.#ack.record(now - pending.due);
      const tenth = Math.floor((now - this.#startedMicros) / 100_000);
      this.#series[tenth] = (this.#series[tenth] ?? 0) + 1;
    }
    this.#settle(stream, n, pending);
  }

  delivered(user: number, bytes: Uint8Array, from: number): void {
    // Control entries, which tell of members, are no messages of ours.
    if (from < 0 || bytes.length - from < this.#plan.payloadBytes) return;
    const index = streamAt(bytes, from);
    const stream = this.#streams[index];
    const seen = this.#lastSeen[user];
    if (stream === undefined || seen === undefined) return;
    const n = numberAt(bytes, from);
    const last = seen[index] ?? 0;
    if (n <= last) {
      this.#counts.duplicated += 1;
      return;
    }
    if (n > last + 1) {
      this.#counts.gaps += n - last - 1;
      this.#fault(`user ${String(user)} missed ${String(last + 1)} to ${String(n - 1)} of stream ${String(index)}`);
    }
    seen[index] = n;
    this.#counts.delivered += 1;
    if (this.#measuring) {
      this.#measured.delivered += 1;
      this.#deliver.record(ageAt(bytes, from, nowMicros()));
    }
    const pending = stream.pending.get(n);
    if (pending === undefined) return;
    pending.deliveriesLeft -= 1;
    this.#settle(stream, n, pending);
  }

  #settle(stream: Stream, n: number, pending: Pending): void {
    if (!pending.acked || pending.deliveriesLeft > 0) return;
    stream.pending.delete(n);
    this.#underWay -= 1;
    if (this.#sending && this.#saturated && !stream.dead) this.#send(stream, nowMicros());
    this.#sendWaiting(stream);
    if (this.#underWay === 0 && this.#waiting === 0) this.#idle?.();
  }

  /**
   * What is refused with a hope is sent again, and all behind it, in order: numbers leave no hole. As the client library
   * does, after a pause, and not before everything that is out was answered.
   */
  refused(user: number, n: number, reason: string, mayRetry: boolean): void {
    const stream = this.#streamOfUser.get(user);
    if (stream?.pending.get(n)?.acked !== false) {
      this.#fault(`user ${String(user)} was refused: ${reason}`);
      return;
    }
    this.#counts.refused += 1;
    if (this.#counts.refused === 1)
      this.#fault(`the first refusal, of ${String(n)} of stream ${String(stream.index)}: ${reason}`);
    if (!mayRetry || stream.resends >= RESENDS_MAX) {
      if (!stream.dead) this.#fault(`message ${String(n)} of stream ${String(stream.index)} was refused: ${reason}`);
      stream.dead = true;
      return;
    }
    stream.rewinding = true;
    this.#answered(stream);
  }

  /** One of those that are out was answered. */
  #answered(stream: Stream): void {
    stream.inFlight -= 1;
    if (!stream.rewinding || stream.inFlight > 0) return;
    const delayMs = Math.min(RESEND_MS_MAX, RESEND_MS * 2 ** stream.resends);
    stream.resends += 1;
    systemTimers.after(delayMs * (0.5 + systemRandom.fraction() / 2), () => {
      stream.rewinding = false;
      for (const [number, { acked, due }] of stream.pending) if (!acked) this.#transmit(stream, number, due);
    });
  }

  broken(user: number, reason: string): void {
    if (!this.#closing) this.#fault(`user ${String(user)}: ${reason}`);
  }

  /** @param onMeasure - told when the measured time begins and ends. */
  async run(run: LoadRun, onMeasure: (edge: 'begin' | 'end') => void): Promise<LoadResult> {
    this.#counts = { sent: 0, acked: 0, delivered: 0, refused: 0, duplicated: 0, gaps: 0 };
    this.#measured = { acked: 0, delivered: 0 };
    this.#ack = new Latency();
    this.#deliver = new Latency();
    this.#series = [];
    this.#sending = true;
    this.#saturated = run.mode.kind === 'saturated';
    const startMs = systemClock.monotonicMs();
    if (run.mode.kind === 'burst') return this.#runBurst(run, run.mode.perSecond, onMeasure);
    const stopSending = run.mode.kind === 'open' ? this.#sendAtRate(run.mode.perSecond) : this.#fillWindows();
    await pauseUntil(startMs + run.warmupMs);
    this.#startedMicros = nowMicros();
    this.#measuring = true;
    onMeasure('begin');
    const enough = new Promise<void>((resolve) => {
      this.#enough = resolve;
    });
    await Promise.race([pauseUntil(startMs + run.warmupMs + run.measureMs), enough]);
    this.#measuring = false;
    const seconds = (nowMicros() - this.#startedMicros) / 1_000_000;
    onMeasure('end');
    this.#sending = false;
    stopSending();
    await this.#drained(run.drainMs);
    return this.#result(seconds, null);
  }

  /** Ends the measured time of a run before its time. */
  enough(): void {
    this.#enough();
  }

  async #runBurst(run: LoadRun, perSecond: number, onMeasure: (edge: 'begin' | 'end') => void): Promise<LoadResult> {
    this.#startedMicros = nowMicros();
    this.#measuring = true;
    this.#waitingMax = 0;
    onMeasure('begin');
    const offer = this.#offerAtRate(perSecond);
    await pauseUntil(this.#startedMicros / 1000 + run.measureMs);
    const due = offer.stop();
    const offeredMicros = nowMicros();
    await this.#drained(run.drainMs);
    const endedMicros = nowMicros();
    this.#measuring = false;
    onMeasure('end');
    return this.#result((endedMicros - this.#startedMicros) / 1_000_000, {
      due,
      seconds: (offeredMicros - this.#startedMicros) / 1_000_000,
      tailSeconds: (endedMicros - offeredMicros) / 1_000_000,
      waitingMax: this.#waitingMax,
    });
  }

  #result(seconds: number, burst: BurstLoad | null): LoadResult {
    const tenths = Math.max(1, Math.floor((seconds * 1000) / 100));
    return {
      ...this.#counts,
      measured: { ...this.#measured, seconds },
      ack: this.#ack.encode(),
      deliver: this.#deliver.encode(),
      series: Array.from({ length: tenths }, (_, tenth) => (this.#series[tenth] ?? 0) * SERIES_TENTHS),
      burst,
      faults: this.#faults,
    };
  }

  #fillWindows(): () => void {
    const now = nowMicros();
    for (const stream of this.#streams) {
      while (stream.pending.size < this.#plan.window && !stream.dead) this.#send(stream, now);
    }
    return () => undefined;
  }

  /** Streams take turns. One whose window is full is passed over: its message is another one's, due at the same time. */
  #sendAtRate(perSecond: number): () => void {
    const startMicros = nowMicros();
    let dueCount = 0;
    let turn = 0;
    let stopped = false;
    const tick = (): void => {
      if (stopped) return;
      const wanted = ((nowMicros() - startMicros) * perSecond) / 1_000_000;
      while (dueCount < wanted) {
        const due = startMicros + (dueCount * 1_000_000) / perSecond;
        dueCount += 1;
        for (let tried = 0; tried < this.#streams.length; tried += 1) {
          const stream = this.#streams[turn % this.#streams.length];
          turn += 1;
          if (stream !== undefined && !stream.dead && stream.pending.size < this.#plan.window) {
            this.#send(stream, due);
            break;
          }
        }
      }
      setTimeout(tick, 1);
    };
    tick();
    return () => {
      stopped = true;
    };
  }

  /** Streams take turns, and one whose window is full keeps what is due until there is room. */
  #offerAtRate(perSecond: number): { stop(): number } {
    const startMicros = nowMicros();
    let dueCount = 0;
    const tick = (): void => {
      const wanted = Math.floor(((nowMicros() - startMicros) * perSecond) / 1_000_000);
      for (; dueCount < wanted; dueCount += 1) {
        const stream = this.#streams[dueCount % this.#streams.length];
        if (stream === undefined) continue;
        stream.waiting.push(startMicros + (dueCount * 1_000_000) / perSecond);
        this.#waiting += 1;
        this.#sendWaiting(stream);
      }
      this.#waitingMax = Math.max(this.#waitingMax, this.#waiting);
    };
    const timer = setInterval(tick, 1);
    return {
      stop: () => {
        clearInterval(timer);
        tick();
        return dueCount;
      },
    };
  }

  #sendWaiting(stream: Stream): void {
    let sent = 0;
    while (sent < stream.waiting.length && stream.pending.size < this.#plan.window && !stream.dead) {
      this.#send(stream, stream.waiting[sent] ?? 0);
      sent += 1;
    }
    if (sent === 0) return;
    this.#waiting -= sent;
    stream.waiting.splice(0, sent);
  }

  #tellLate(msMax: number): void {
    const pending = this.#streams.flatMap((stream) => [...stream.pending.values()]);
    const unacked = pending.filter(({ acked }) => !acked).length;
    this.#fault(
      `after ${String(msMax / 1000)} s ${String(unacked)} messages are not acknowledged, ` +
        `${String(pending.length - unacked)} not delivered to all, ${String(this.#waiting)} never sent`,
    );
  }

  /** Resolves when nothing is under way any more, or after `msMax`. */
  #drained(msMax: number): Promise<void> {
    if (this.#underWay === 0 && this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#tellLate(msMax);
        resolve();
      }, msMax);
      this.#idle = () => {
        clearTimeout(timer);
        this.#idle = null;
        resolve();
      };
    });
  }
}

/** Keeps the process alive, unlike the kernel's timers: the sockets of a load do not, once a server has gone. */
function pauseUntil(monotonicMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, monotonicMs - systemClock.monotonicMs())));
}
