import type { Cancel, Clock, DeviceId, Random, Timers } from '@millrace/kernel';
import {
  closeCode,
  frameError,
  reconnectAfter,
  type ClientFrame,
  type Connected,
  type Drain,
  type FrameError,
  type Reconnect,
  type ServerFrame,
  type Typing,
} from '@millrace/protocol';
import { backoffMs, type BackoffLimits } from './backoff.ts';
import { UnansweredRequests, type Outcome, type Question } from './requests.ts';
import type { WebSocketConstructor } from './web-socket.ts';
import { decodeMessage, encodeWithin, subprotocols, type Encoding } from './wire.ts';

export interface ConnectionOptions {
  readonly url: string | (() => Promise<string>);
  readonly webSocket: WebSocketConstructor;
  readonly token: string | (() => Promise<string>);
  readonly encoding: Encoding;
  readonly clientName: string;
  readonly reconnect: BackoffLimits;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

export interface ConnectionEvents {
  /** Which device to connect as; asked for each attempt. */
  device(): DeviceId;
  /** Accepted. A text back ends the connection for good, with that reason. */
  connected(answer: Connected): string | null;
  /** Everything that answers no request: pushes, receipts, typing, resync. */
  frame(frame: ServerFrame): void;
  /** A connection that was `connected` is gone; its unanswered requests were told. */
  lost(): void;
  state(state: 'offline' | 'connecting' | 'closed', reason: string): void;
}

/** Waits for the socket at most this long to end its requests when the server drains. */
const DRAIN_MS_MAX = 5_000;
/** Longest silence before a ping, whatever the server allows. */
const PING_MS_MAX = 25_000;
/** While an answer is due: after a silence of so long a ping asks whether anybody is there, and after another nobody is. */
const SILENCE_MS_MAX = 3_000;
/** Refused tokens in a row, after which a new one is not tried any more. */
const TOKEN_ATTEMPTS = 3;
/** Limits before the server has told its own. */
const FRAME_BYTES = 65_536;

interface Attempt {
  socket: InstanceType<WebSocketConstructor> | null;
  readonly requests: UnansweredRequests;
  readonly outgoing: ClientFrame[];
  readonly timers: Set<Cancel>;
  connected: boolean;
  draining: boolean;
  frameBytes: number;
  heardAtMs: number;
  /** Messages of the server so far. */
  heard: number;
  /** An answer is due, and whether anything is heard meanwhile is looked at. */
  awaiting: boolean;
}

/**
 * One socket at a time to the server, and another one when it is gone.
 *
 * (N1) After `lost`, nothing of the old socket is heard any more: every event is of the latest attempt.
 * (N2) Every request is told its outcome exactly once.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  #attempt: Attempt | null = null;
  #retry: Cancel | null = null;
  #open = false;
  /** Ends in a row that were not followed by {@link settled}. */
  #failures = 0;
  #tokenFailures = 0;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Requests can be asked: connected, and not about to move elsewhere. */
  get ready(): boolean {
    return this.#attempt?.connected === true && !this.#attempt.draining;
  }

  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#failures = 0;
    this.#tokenFailures = 0;
    void this.#dial();
  }

  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#retry?.();
    this.#drop(1000, 'the client was closed');
    this.#events.state('closed', reason);
  }

  /** The connection has proved itself: the next back-off begins small again. */
  settled(): void {
    this.#failures = 0;
    this.#tokenFailures = 0;
  }

  /** Without a connection the outcome is null, at once. */
  ask<Q extends Question>(question: Q, done: (outcome: Outcome<Q>) => void): void {
    const attempt = this.#attempt;
    if (attempt?.connected !== true) {
      done(null);
      return;
    }
    this.#send(attempt, attempt.requests.add(question, done));
    if (!attempt.awaiting) this.#awaitWord(attempt, false);
  }

  /** Dropped when there is no connection. */
  tell(frame: Typing): void {
    if (this.#attempt?.connected === true) this.#send(this.#attempt, frame);
  }

  /** The server said that the token is about to be of no use: a fresh one goes over the same connection. */
  async refreshToken(): Promise<void> {
    const { token } = this.#options;
    const attempt = this.#attempt;
    if (attempt === null || typeof token === 'string') return;
    try {
      const fresh = await token();
      if (this.#attempt === attempt) this.ask({ t: 'refresh', token: fresh }, () => undefined);
    } catch {
      // The server closes the socket when the old one is over; the next attempt asks for a token again.
    }
  }

  async #dial(): Promise<void> {
    const { token, connectTimeoutMs, webSocket, url, encoding } = this.#options;
    const attempt: Attempt = {
      socket: null,
      requests: new UnansweredRequests(),
      outgoing: [],
      timers: new Set(),
      connected: false,
      draining: false,
      frameBytes: FRAME_BYTES,
      heardAtMs: this.#options.clock.monotonicMs(),
      heard: 0,
      awaiting: false,
    };
    this.#attempt = attempt;
    this.#events.state('connecting', '');
    this.#later(attempt, connectTimeoutMs, () => {
      this.#end(attempt, 'backoff', `no connection within ${String(connectTimeoutMs)} ms`);
    });
    const jwt = await this.#given(attempt, 'token', token);
    const address = jwt === null ? null : await this.#given(attempt, 'address', url);
    if (jwt === null || address === null) return;
    try {
      attempt.socket = new webSocket(address, [subprotocols[encoding]]);
    } catch (error) {
      this.#end(attempt, 'never', `no socket for ${address}: ${String(error)}`);
      return;
    }
    this.#listen(attempt, attempt.socket, jwt);
  }

  /** What the application gives for this attempt; null when it gives nothing, or the attempt is over meanwhile. */
  async #given(attempt: Attempt, what: string, source: string | (() => Promise<string>)): Promise<string | null> {
    if (typeof source === 'string') return source;
    try {
      const given = await source();
      return this.#attempt === attempt ? given : null;
    } catch (error) {
      this.#end(attempt, 'backoff', `no ${what}: ${String(error)}`);
      return null;
    }
  }

  #listen(attempt: Attempt, socket: InstanceType<WebSocketConstructor>, token: string): void {
    const { clientName } = this.#options;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      const connect = { t: 'connect', token, device: this.#events.device(), client: clientName } as const;
      const asked = attempt.requests.add(connect, (outcome) => {
        if (outcome?.t === 'connected') this.#connected(attempt, outcome);
        else if (outcome?.t === 'error') this.#refused(attempt, outcome);
      });
      this.#send(attempt, asked);
    };
    socket.onmessage = (event: { readonly data: unknown }) => {
      this.#message(attempt, event.data);
    };
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      this.#end(attempt, reconnectAfter(code), `closed ${String(code)}${reason === '' ? '' : ` ${reason}`}`);
    };
    // A close always follows, with what there is to know.
    socket.onerror = () => undefined;
  }

  #connected(attempt: Attempt, answer: Connected): void {
    this.#cancelTimers(attempt);
    attempt.connected = true;
    attempt.frameBytes = answer.limits.frameBytes;
    this.#keepAlive(attempt, Math.max(1, Math.min(PING_MS_MAX, Math.floor(answer.limits.idleMs / 3))));
    const refusal = this.#events.connected(answer);
    if (refusal !== null) this.#end(attempt, 'never', refusal);
  }

  #refused(attempt: Attempt, error: FrameError): void {
    const reconnect = {
      never: 'never',
      token: 'token',
      later: 'backoff',
      in_order: 'backoff',
      sync: 'backoff',
    } as const;
    this.#end(attempt, reconnect[error.retry], `${error.code}: ${error.message}`, error.retryAfterMs);
  }

  /** Pings before the server's idle limit; a whole interval without a word after a ping means that nobody is there. */
  #keepAlive(attempt: Attempt, everyMs: number): void {
    this.#later(attempt, everyMs, () => {
      const pingedAtMs = this.#options.clock.monotonicMs();
      this.ask({ t: 'ping' }, () => undefined);
      this.#later(attempt, everyMs, () => {
        if (attempt.heardAtMs >= pingedAtMs) return;
        this.#end(attempt, 'backoff', `no word for ${String(everyMs)} ms after a ping`);
      });
      this.#keepAlive(attempt, everyMs);
    });
  }

  /**
   * A node that stands still, or a network that is gone, closes nothing: who waits for an answer must not wait for the
   * next ping of an idle connection.
   */
  #awaitWord(attempt: Attempt, pinged: boolean): void {
    const { heard } = attempt;
    attempt.awaiting = true;
    this.#later(attempt, SILENCE_MS_MAX, () => {
      attempt.awaiting = attempt.requests.size > 0;
      if (!attempt.awaiting) return;
      const isSilent = attempt.heard === heard;
      if (isSilent && pinged) {
        this.#end(attempt, 'backoff', `no word for ${String(SILENCE_MS_MAX)} ms after a ping`);
        return;
      }
      if (isSilent) this.ask({ t: 'ping' }, () => undefined);
      this.#awaitWord(attempt, isSilent);
    });
  }

  #message(attempt: Attempt, data: unknown): void {
    if (this.#attempt !== attempt) return;
    attempt.heardAtMs = this.#options.clock.monotonicMs();
    attempt.heard += 1;
    const frames = decodeMessage(data, this.#options.encoding);
    if (!frames.ok) {
      this.#end(attempt, 'backoff', `the server sent what cannot be read: ${frames.error}`);
      return;
    }
    for (const frame of frames.value) {
      // A frame before it may have ended the connection.
      if (this.#attempt !== attempt) return;
      if (attempt.requests.answer(frame)) continue;
      if (frame.t === 'drain') this.#drain(attempt, frame);
      else if (attempt.connected) this.#events.frame(frame);
    }
    if (attempt.draining && attempt.requests.size === 0) this.#end(attempt, 'now', 'the server drains');
  }

  #drain(attempt: Attempt, { deadlineMs }: Drain): void {
    attempt.draining = true;
    // Spread over the time that there is, so that not everybody comes back at once.
    const waitMs = this.#options.random.fraction() * Math.min(DRAIN_MS_MAX, deadlineMs / 2);
    this.#later(attempt, waitMs, () => {
      this.#end(attempt, 'now', 'the server drains');
    });
  }

  #send(attempt: Attempt, frame: ClientFrame): void {
    attempt.outgoing.push(frame);
    if (attempt.outgoing.length > 1) return;
    // What is asked in one turn leaves in one WebSocket message.
    queueMicrotask(() => {
      this.#flush(attempt);
    });
  }

  #flush(attempt: Attempt): void {
    const frames = attempt.outgoing.splice(0);
    if (this.#attempt !== attempt || attempt.socket === null) return;
    const { messages, tooLarge } = encodeWithin(frames, this.#options.encoding, attempt.frameBytes);
    for (const message of messages) attempt.socket.send(message);
    for (const frame of tooLarge) {
      if (!('id' in frame)) continue;
      const error = frameError('too_large', `the frame is over the server's ${String(attempt.frameBytes)} bytes`);
      attempt.requests.answer({ t: 'error', id: frame.id, ...error });
    }
  }

  #end(attempt: Attempt, reconnect: Reconnect, reason: string, atLeastMs = 0): void {
    if (this.#attempt !== attempt) return;
    this.#drop(closeCode.draining, '');
    if (!this.#open) return;
    const spentToken = reconnect === 'token' && !this.#mayRefresh();
    if (reconnect === 'never' || spentToken) {
      this.#open = false;
      this.#events.state('closed', reason);
      return;
    }
    const { random, reconnect: limits, timers } = this.#options;
    const exponent = reconnect === 'now' || reconnect === 'token' ? Math.max(0, this.#failures - 1) : this.#failures;
    const delayMs = Math.max(atLeastMs, backoffMs(exponent, limits, random));
    this.#failures += 1;
    this.#events.state('offline', reason);
    // A listener of the state may have closed the client.
    if (!this.#isOpen()) return;
    this.#retry = timers.after(delayMs, () => {
      this.#retry = null;
      void this.#dial();
    });
  }

  #isOpen(): boolean {
    return this.#open;
  }

  #mayRefresh(): boolean {
    this.#tokenFailures += 1;
    return typeof this.#options.token !== 'string' && this.#tokenFailures <= TOKEN_ATTEMPTS;
  }

  /** Forgets the attempt, so that nothing it still does is heard. */
  #drop(code: number, reason: string): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    this.#flush(attempt);
    this.#attempt = null;
    this.#cancelTimers(attempt);
    this.#hangUp(attempt, code, reason);
    attempt.requests.loseAll();
    if (attempt.connected) this.#events.lost();
  }

  #hangUp({ socket }: Attempt, code: number, reason: string): void {
    if (socket === null) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    // `ws` reports the end of a half-open socket as an error, which must have a listener.
    socket.onerror = () => undefined;
    try {
      socket.close(code, reason);
      // The farewell of a peer that is gone would take half a minute.
      if (socket.terminate !== undefined) this.#options.timers.after(1_000, () => socket.terminate?.());
    } catch {
      // It was closing already.
    }
  }

  #later(attempt: Attempt, delayMs: number, callback: () => void): void {
    const cancel = this.#options.timers.after(delayMs, () => {
      attempt.timers.delete(cancel);
      if (this.#attempt === attempt) callback();
    });
    attempt.timers.add(cancel);
  }

  #cancelTimers(attempt: Attempt): void {
    for (const cancel of attempt.timers) cancel();
    attempt.timers.clear();
  }
}
