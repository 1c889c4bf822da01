import type { Cancel, Timers } from '@millrace/kernel';
import type { EngineSocket, ListenOptions, SendOutcome } from './socket-engine.ts';
import { flushedAt, type TurnQueue } from './turn-queue.ts';
import type { UwsSocketHandle } from './uws-api.ts';

export interface UwsUserData<Context> {
  readonly context: Context;
  socket: UwsSocket<Context> | undefined;
  /** Until its first message. */
  isEntering: boolean;
}

interface Outgoing {
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
}

export const bytesOf = (data: string | Uint8Array): Uint8Array => (typeof data === 'string' ? Buffer.from(data) : data);

/**
 * (U1) The handle is used only until `gone`: afterwards it is invalid, and using it throws.
 * (U2) A close frame is sent only when nothing waits, since the library would drop it over the bound like any other.
 */
export class UwsSocket<Context> implements EngineSocket<Context> {
  readonly context: Context;
  readonly #handle: UwsSocketHandle<UwsUserData<Context>>;
  readonly #options: ListenOptions;
  readonly #turn: TurnQueue<UwsSocket<Context>>;
  readonly #timers: Timers;
  #state: 'open' | 'closing' | 'gone' = 'open';
  #pending: Outgoing[] = [];
  #pendingBytes = 0;
  #isQueued = false;
  #isWaiting = false;
  #farewell: { readonly code: number; readonly reason: string } | null = null;
  #cancelCut: Cancel | null = null;

  constructor(
    handle: UwsSocketHandle<UwsUserData<Context>>,
    options: ListenOptions,
    turn: TurnQueue<UwsSocket<Context>>,
    timers: Timers,
  ) {
    this.context = handle.getUserData().context;
    this.#handle = handle;
    this.#options = options;
    this.#turn = turn;
    this.#timers = timers;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  send(data: string | Uint8Array, isBinary: boolean): SendOutcome {
    if (this.#state !== 'open' || this.bufferedBytes() >= this.#options.maxSendBufferBytes) return 'dropped';
    const bytes = bytesOf(data);
    this.#pending.push({ bytes, isBinary });
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= flushedAt(this.#options.maxSendBufferBytes)) this.flush();
    else if (!this.#isQueued) {
      this.#isQueued = true;
      this.#turn.add(this);
    }
    return this.#isWaiting ? 'buffered' : 'sent';
  }

  bufferedBytes(): number {
    return this.#state === 'gone' ? 0 : this.#handle.getBufferedAmount() + this.#pendingBytes;
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open') return;
    this.flush();
    this.#state = 'closing';
    if (this.#handle.getBufferedAmount() === 0) {
      this.#handle.end(code, reason);
      return;
    }
    for (const topic of this.#handle.getTopics()) this.#handle.unsubscribe(topic);
    this.#farewell = { code, reason };
    this.#cancelCut = this.#timers.after(this.#options.closeMs, () => {
      if (this.#state === 'closing') this.#handle.close();
    });
  }

  subscribe(topic: string): void {
    if (this.#state === 'open') this.#handle.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (this.#state === 'open') this.#handle.unsubscribe(topic);
  }

  /** Hands everything that gathered in this turn to the library, corked: one write. */
  flush(): void {
    this.#isQueued = false;
    if (this.#state !== 'open' || this.#pending.length === 0) return;
    const outgoing = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    const [first] = outgoing;
    if (outgoing.length === 1 && first !== undefined) {
      this.#handle.send(first.bytes, first.isBinary, false);
    } else {
      this.#handle.cork(() => {
        for (const { bytes, isBinary } of outgoing) this.#handle.send(bytes, isBinary, false);
      });
    }
    if (this.#handle.getBufferedAmount() > 0) this.#isWaiting = true;
  }

  /** @returns whether the user is to be told. */
  drained(): boolean {
    if (this.#handle.getBufferedAmount() > 0) {
      this.#isWaiting = true;
      return false;
    }
    if (this.#farewell !== null) {
      const { code, reason } = this.#farewell;
      this.#farewell = null;
      this.#handle.end(code, reason);
      return false;
    }
    const wasWaiting = this.#isWaiting;
    this.#isWaiting = false;
    return wasWaiting && this.#state === 'open';
  }

  passedOver(): void {
    this.#isWaiting = true;
  }

  gone(): void {
    this.#state = 'gone';
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#cancelCut?.();
  }
}
