import type { ConversationId, DeviceId, SequenceId } from '@millrace/kernel';
import { systemClock, systemTimers } from '@millrace/kernel';
import { encodeClientFrames, subprotocols } from '@millrace/protocol';
import { scanAnswers, type AnswerSink, type SyncedHead } from './answer-scan.ts';
import { FrameSocket } from './frame-socket.ts';
import type { DevicePlan, LoginFaults } from './login-plan.ts';
import { numberAt, streamAt } from './payload.ts';

const CONNECT_ID = 1;
/** Of an entry, its second byte (docs/protocol.md, entry layout). */
const TYPE_CONTROL = 5;
/** Ranges that are asked for at a time: well below what a session may have unanswered. */
const RANGES_UNDER_WAY = 8;
const RETRY_MS = 100;

export interface LoginOutcome extends LoginFaults {
  /** Monotonic milliseconds of this process. */
  readonly startedMs: number;
  /** When `connected` was there. */
  readonly connectedMs: number;
  readonly doneMs: number;
  readonly messages: number;
  readonly answers: number;
  /** Requests that were refused and asked again. */
  readonly repeated: number;
  readonly syncToken: string;
}

interface Progress {
  last: number;
  readonly messages: number;
  /** Of every message, its seq less its number. */
  readonly offset: number;
}

interface Range {
  readonly conversation: string;
  readonly from: number;
  readonly to: number;
}

interface Settle {
  readonly resolve: (outcome: LoginOutcome) => void;
  readonly reject: (error: Error) => void;
}

interface Notice {
  readonly t: string;
  readonly code?: string;
  readonly message?: string;
  readonly retry?: string;
  readonly retryAfterMs?: number;
}

/** By `history`: the ranges of all that was missed, a page each. */
function rangesOf({ missed, limit }: DevicePlan): Range[] {
  return missed.flatMap(({ conversation, firstSeq, messages }) =>
    Array.from({ length: Math.ceil(messages / limit) }, (_, page) => {
      const from = firstSeq + page * limit;
      return { conversation, from, to: Math.min(firstSeq + messages, from + limit) - 1 };
    }),
  );
}

/**
 * A device that logs in and takes what it has missed.
 *
 * (D1) Of each writer it must get every number from 1 on once and in order, at the seq that the message has: anything
 *      else is counted as duplicated, as a gap, or as missing in the end.
 * (D2) It asks for the next answer in the same turn in which one came.
 */
export class DeviceLogin implements AnswerSink {
  readonly #plan: DevicePlan;
  readonly #startedMs = systemClock.monotonicMs();
  readonly #progress = new Map<number, Progress>();
  readonly #ranges: Range[];
  readonly #asked = new Map<number, Range | null>();
  readonly #settle: Settle;
  #socket: FrameSocket | null = null;
  #connectedMs = 0;
  #lastId = CONNECT_ID;
  #syncToken: string;
  #page: { next: number } | null = null;
  #isOver = false;
  #counts = { messages: 0, answers: 0, repeated: 0, duplicated: 0, gaps: 0 };

  private constructor(plan: DevicePlan, settle: Settle) {
    this.#plan = plan;
    this.#settle = settle;
    this.#syncToken = plan.syncToken ?? '';
    this.#ranges = plan.by === 'history' ? rangesOf(plan) : [];
    for (const { stream, firstSeq, messages } of plan.missed) {
      this.#progress.set(stream, { last: 0, messages, offset: firstSeq - 1 });
    }
  }

  /** Rejects when the connection is refused or lost before everything is there. The caller closes it after that. */
  static run(plan: DevicePlan): { readonly outcome: Promise<LoginOutcome>; readonly close: () => void } {
    let close = (): void => undefined;
    const outcome = new Promise<LoginOutcome>((resolve, reject) => {
      const login = new DeviceLogin(plan, { resolve, reject });
      close = () => {
        login.#isOver = true;
        login.#socket?.close();
      };
      login.#open().catch((error: unknown) => {
        login.#fail(error instanceof Error ? error.message : String(error));
      });
    });
    return { outcome, close };
  }

  async #open(): Promise<void> {
    const { websocket, jwt, device, localAddress } = this.#plan;
    const handlers = {
      message: (bytes: Uint8Array) => {
        scanAnswers(bytes, this);
      },
      closed: (reason: string) => {
        this.#fail(reason);
      },
    };
    this.#socket = await FrameSocket.open(websocket, subprotocols.binary, handlers, localAddress);
    if (this.#isOver) this.#socket.close();
    const hello = { t: 'connect', id: CONNECT_ID, token: jwt, device: device as DeviceId, client: 'bench' } as const;
    this.#socket.send(encodeClientFrames([hello], 'binary'));
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#settle.reject(new Error(reason));
  }

  #begin(): void {
    this.#connectedMs = systemClock.monotonicMs();
    if (this.#plan.by === 'sync') this.#sync();
    else for (let count = 0; count < RANGES_UNDER_WAY; count += 1) this.#nextRange();
    this.#doneIfNothingIsAsked();
  }

  #nextId(range: Range | null): number {
    this.#lastId += 1;
    this.#asked.set(this.#lastId, range);
    return this.#lastId;
  }

  #sync(): void {
    const token = this.#syncToken === '' ? {} : { token: this.#syncToken };
    const frame = { t: 'sync', id: this.#nextId(null), ...token, limit: this.#plan.limit } as const;
    this.#socket?.send(encodeClientFrames([frame], 'binary'));
  }

  #nextRange(): void {
    const range = this.#ranges.shift();
    if (range !== undefined) this.#askRange(range);
  }

  #askRange(range: Range): void {
    const conversation = range.conversation as ConversationId;
    const from = range.from as SequenceId;
    const limit = range.to - range.from + 1;
    const frame = { t: 'history', id: this.#nextId(range), conversation, direction: 'forward', from, limit } as const;
    this.#socket?.send(encodeClientFrames([frame], 'binary'));
  }

  synced(id: number, { tooLong, regressed, hasMore, token }: SyncedHead): void {
    const isSnapshot = tooLong || regressed;
    if (isSnapshot && this.#plan.syncToken !== null) this.#fail('the server takes the device for too far behind');
    this.#syncToken = token;
    this.#counts.answers += 1;
    if (hasMore) this.#sync();
    this.#page = null;
  }

  page(id: number): void {
    const range = this.#asked.get(id);
    this.#counts.answers += 1;
    this.#page = { next: range?.from ?? 0 };
    this.#nextRange();
  }

  entry(seq: number, bytes: Uint8Array, from: number, to: number): void {
    if (this.#page !== null) {
      // A page must begin where it was asked for, and have no hole.
      if (seq < this.#page.next) this.#counts.duplicated += 1;
      else this.#counts.gaps += seq - this.#page.next;
      this.#page.next = seq + 1;
    }
    if (bytes[from + 1] === TYPE_CONTROL) return;
    const body = to - this.#plan.payloadBytes;
    const progress = this.#progress.get(streamAt(bytes, body));
    if (progress === undefined) return;
    const n = numberAt(bytes, body);
    if (seq !== progress.offset + n) this.#counts.gaps += 1;
    // Pages are asked for side by side: their order among each other is that of the answers.
    if (this.#page === null) {
      if (n <= progress.last) {
        this.#counts.duplicated += 1;
        return;
      }
      this.#counts.gaps += n - progress.last - 1;
      progress.last = n;
    } else progress.last += 1;
    this.#counts.messages += 1;
  }

  ended(id: number): void {
    const range = this.#asked.get(id);
    if (range !== undefined && range !== null && this.#page !== null) {
      this.#counts.gaps += Math.max(0, range.to + 1 - this.#page.next);
    }
    this.#asked.delete(id);
    this.#doneIfNothingIsAsked();
  }

  json(id: number, payload: Uint8Array): void {
    const frame = JSON.parse(Buffer.from(payload).toString('utf8')) as Notice;
    if (frame.t === 'connected') {
      this.#begin();
      return;
    }
    if (frame.t !== 'error') return;
    const range = this.#asked.get(id);
    if (frame.retry !== 'later' || range === undefined) {
      this.#fail(`${frame.code ?? ''}: ${frame.message ?? ''}`);
      return;
    }
    this.#counts.repeated += 1;
    systemTimers.after(frame.retryAfterMs ?? RETRY_MS, () => {
      this.#asked.delete(id);
      if (this.#isOver) return;
      if (range === null) this.#sync();
      else this.#askRange(range);
    });
  }

  #doneIfNothingIsAsked(): void {
    if (this.#asked.size > 0 || this.#isOver) return;
    this.#isOver = true;
    let missing = 0;
    for (const { last, messages } of this.#progress.values()) missing += Math.max(0, messages - last);
    this.#settle.resolve({
      ...this.#counts,
      missing,
      startedMs: this.#startedMs,
      connectedMs: this.#connectedMs,
      doneMs: systemClock.monotonicMs(),
      syncToken: this.#syncToken,
    });
  }
}
