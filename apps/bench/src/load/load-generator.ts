import { systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import { Latency } from '../measure/latency.ts';
import type { FrameSocket } from './frame-socket.ts';
import type { BurstLoad, LoadMode, LoadPlan, LoadResult, LoadRun, TargetKind } from './load-plan.ts';
import { lobbiesHeard, type LobbiesHeard, type LobbyStep } from './lobbies-plan.ts';
import { colyseusWire } from './peers/colyseus-wire.ts';
import { socketIoWire } from './peers/socket-io-wire.ts';
import { millraceWire } from './millrace-wire.ts';
import { pace, type Pace } from './pace.ts';
import { ageAt, newPayload, numberAt, streamAt, writePayload } from './payload.ts';
import { relayWire } from './relay-wire.ts';
import { newStream, type Pending, type Stream } from './stream.ts';
import type { Wire, WireSink } from './wire.ts';

const AT_ONCE = 64;
const FAULTS_MAX = 20;
const SERIES_TENTHS = 10;
const RESEND_MS = 50;
const RESEND_MS_MAX = 500;
/** A stream that was refused so often, and got nothing through meanwhile, is given up. */
const RESENDS_MAX = 100;
/** Of more receivers than so many a part is looked at for when deliveries came; all are counted and checked. */
const TIMED_RECEIVERS = 1_000;
/** Each device says something within this: well before a server takes it for gone. */
const PING_EVERY_S = 30;
const ALIVE_MS_MAX = 10_000;

const wires: Readonly<Record<TargetKind, (plan: LoadPlan, sink: WireSink) => Wire>> = {
  millrace: millraceWire,
  relay: relayWire,
  'socket.io': socketIoWire,
  colyseus: colyseusWire,
};

const nowMicros = (): number => systemClock.monotonicMs() * 1000;

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
  /** For each receiver the last number of each stream, one receiver behind the other. */
  readonly #lastSeen: Uint32Array;
  /** Every so many-th receiver is one of those whose deliveries are timed. */
  readonly #timedEvery: number;
  readonly #payload: Uint8Array;
  readonly #faults: string[] = [];
  #counts = { sent: 0, acked: 0, delivered: 0, refused: 0, duplicated: 0, gaps: 0 };
  #ack = new Latency();
  #deliver = new Latency();
  #last = new Latency();
  #measured = { acked: 0, delivered: 0 };
  #series: number[] = [];
  #measuring = false;
  #runs = 0;
  #sending = false;
  /** Of a closed loop: how long a stream waits before it sends the next one; null when messages are due by the clock. */
  #pauseMs: number | null = null;
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
    this.#wire = wires[plan.target](plan, this);
    this.#timedEvery = Math.ceil(plan.users.length / TIMED_RECEIVERS);
    this.#payload = newPayload(plan.payloadBytes);
    this.#streams = plan.streams.map(newStream);
    for (const stream of this.#streams) this.#streamOfUser.set(stream.sender, stream);
    this.#lastSeen = new Uint32Array(plan.users.length * plan.streams.length);
  }

  async open(): Promise<void> {
    await this.#forEachUser(async (user) => {
      this.#sockets[user] = await this.#wire.open(user);
    });
    this.#pingInTurn();
    await this.show(true);
  }

  /** Every device shows the conversation of the plan, or does not any more. */
  async show(isShown: boolean): Promise<void> {
    await this.#forEachUser(async (user) => {
      const socket = this.#sockets[user];
      if (socket !== undefined) await this.#wire.show(user, socket, isShown);
    });
  }

  /** Every device takes the step in its lobbies. @returns how long that took, seconds. */
  async lobbies(step: LobbyStep): Promise<number> {
    const startMs = systemClock.monotonicMs();
    await this.#forEachUser(async (user) => {
      const socket = this.#sockets[user];
      if (socket !== undefined) await this.#wire.lobbies(user, socket, step);
    });
    return (systemClock.monotonicMs() - startMs) / 1_000;
  }

  /** Asks on every connection whether the other end is there. @returns how many were answered in time. */
  async alive(): Promise<number> {
    let answered = 0;
    await this.#forEachUser(async (user) => {
      const socket = this.#sockets[user];
      if (socket === undefined) return;
      const inTime = this.#wire.alive(user, socket).then(
        () => true,
        () => false,
      );
      const late = pauseUntil(systemClock.monotonicMs() + ALIVE_MS_MAX).then(() => false);
      if (await Promise.race([inTime, late])) answered += 1;
      else this.#fault(`user ${String(user)} was not answered any more`);
    });
    return answered;
  }

  heard(): LobbiesHeard {
    const sent = this.#streams.map(({ n }) => n);
    const last = (user: number, lobby: number): number => this.#lastSeen[user * sent.length + lobby] ?? 0;
    return lobbiesHeard(this.#plan.lobbies ?? { ofUser: [] }, sent, last);
  }

  async #forEachUser(job: (user: number) => Promise<void>): Promise<void> {
    const users = this.#plan.users.keys();
    const work = async (): Promise<void> => {
      for (const user of users) await job(user);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /** A part of them every second, so that they do not all speak at once. */
  #pingInTurn(): void {
    let turn = 0;
    setInterval(() => {
      for (let user = turn % PING_EVERY_S; user < this.#sockets.length; user += PING_EVERY_S) {
        const socket = this.#sockets[user];
        if (socket !== undefined) this.#wire.ping(socket);
      }
      turn += 1;
    }, 1_000).unref();
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
    const socket = this.#sockets[stream.sender];
    if (socket !== undefined) this.#wire.write(socket, stream.index, n, this.#payload);
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
    // Too short to be one of ours.
    if (from < 0 || bytes.length - from < this.#plan.payloadBytes) return;
    const index = streamAt(bytes, from);
    const stream = this.#streams[index];
    if (stream === undefined) return;
    const at = user * this.#streams.length + index;
    const n = numberAt(bytes, from);
    const last = this.#lastSeen[at] ?? 0;
    if (n <= last) {
      this.#counts.duplicated += 1;
      return;
    }
    if (n > last + 1) {
      this.#counts.gaps += n - last - 1;
      this.#fault(`user ${String(user)} missed ${String(last + 1)} to ${String(n - 1)} of stream ${String(index)}`);
    }
    this.#lastSeen[at] = n;
    this.#counts.delivered += 1;
    if (this.#measuring) {
      this.#measured.delivered += 1;
      if (user % this.#timedEvery === 0) this.#deliver.record(ageAt(bytes, from, nowMicros()));
    }
    const pending = stream.pending.get(n);
    if (pending === undefined) return;
    pending.deliveriesLeft -= 1;
    if (pending.deliveriesLeft === 0 && this.#measuring && stream.deliveries > 1) {
      this.#last.record(nowMicros() - pending.due);
    }
    this.#settle(stream, n, pending);
  }

  #settle(stream: Stream, n: number, pending: Pending): void {
    if (!pending.acked || pending.deliveriesLeft > 0) return;
    stream.pending.delete(n);
    this.#underWay -= 1;
    this.#sendNext(stream);
    this.#sendWaiting(stream);
    if (this.#underWay === 0 && this.#waiting === 0) this.#idle?.();
  }

  #sendNext(stream: Stream): void {
    const run = this.#runs;
    const isDue = (): boolean => this.#sending && !stream.dead && run === this.#runs;
    if (this.#pauseMs === null || !isDue()) return;
    if (this.#pauseMs === 0) {
      this.#send(stream, nowMicros());
      return;
    }
    systemTimers.after(this.#pauseMs, () => {
      if (isDue()) this.#send(stream, nowMicros());
    });
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
    this.#last = new Latency();
    this.#series = [];
    this.#runs += 1;
    this.#sending = true;
    const { mode } = run;
    this.#pauseMs = mode.kind === 'saturated' ? 0 : mode.kind === 'single' ? mode.pauseMs : null;
    const startMs = systemClock.monotonicMs();
    if (mode.kind === 'burst') return this.#runBurst(run, mode.perSecond, onMeasure);
    const sending = this.#startSending(mode);
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
    sending?.stop();
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
      last: this.#last.encode(),
      series: Array.from({ length: tenths }, (_, tenth) => (this.#series[tenth] ?? 0) * SERIES_TENTHS),
      burst,
      faults: this.#faults,
    };
  }

  /** @returns what ends it; null for a closed loop, which ends by itself. */
  #startSending(mode: LoadMode): Pace | null {
    if (mode.kind === 'open') return this.#sendAtRate(mode.perSecond, mode.streams);
    const now = nowMicros();
    const isSingle = mode.kind === 'single';
    for (const stream of isSingle ? this.#streams.slice(0, 1) : this.#streams) {
      while (stream.pending.size < (isSingle ? 1 : this.#plan.window) && !stream.dead) this.#send(stream, now);
    }
    return null;
  }

  /** Streams take turns. One whose window is full is passed over: its message is another one's, due at the same time. */
  #sendAtRate(perSecond: number, count = this.#streams.length): Pace {
    let turn = 0;
    return pace(perSecond, (due) => {
      for (let tried = 0; tried < count; tried += 1) {
        const stream = this.#streams[turn % count];
        turn += 1;
        if (stream === undefined || stream.dead || stream.pending.size >= this.#plan.window) continue;
        this.#send(stream, due);
        return;
      }
    });
  }

  /** Streams take turns, and one whose window is full keeps what is due until there is room. */
  #offerAtRate(perSecond: number): Pace {
    const offer = (due: number, before: number): void => {
      const stream = this.#streams[before % this.#streams.length];
      if (stream === undefined) return;
      stream.waiting.push(due);
      this.#waiting += 1;
      this.#sendWaiting(stream);
    };
    return pace(perSecond, offer, () => {
      this.#waitingMax = Math.max(this.#waitingMax, this.#waiting);
    });
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
