import { err, ok, type Clock, type Result } from '@millrace/kernel';
import {
  closeCode,
  decodeClientFrames,
  encodeServerFrames,
  frameError,
  type ClientFrame,
  type CloseReason,
  type Connect,
  type ErrorFrame,
  type FrameError,
  type ProtocolLimits,
  type Refresh,
} from '@millrace/protocol';
import type { TokenVerifier, VerifiedToken } from '../auth/token-verifier.ts';
import type { EngineSocket } from '../engine/socket-engine.ts';
import type { GatewayConfig } from '../gateway-config.ts';
import type { GatewayObserver } from '../observer.ts';
import type { Session } from '../outbound/session.ts';
import type { Admitted } from './admission.ts';
import { TokenBucket } from './rate-limit.ts';
import type { ChatFrame } from './submit.ts';
import type { Turnstile } from './turnstile.ts';

export interface SocketSessionParts {
  readonly config: GatewayConfig;
  /** The protocol's, as they are configured. */
  readonly limits: ProtocolLimits;
  readonly clock: Clock;
  readonly verifier: TokenVerifier;
  readonly observer: GatewayObserver;
  /** Of all sockets of the node. */
  readonly logins: Turnstile;
  /** Makes the session of a verified device and attaches it; answers `connected` itself. */
  readonly welcome: (
    socket: EngineSocket<Admitted>,
    frame: Connect,
    identity: VerifiedToken,
  ) => Promise<Result<Session, Farewell>>;
  /** `heardMs`: when the frame came in, monotonic. */
  readonly submit: (session: Session, frame: ChatFrame, heardMs: number) => void;
  /**
   * Beside the session's own bucket: what its user and its address may do.
   *
   * @param heardMs - when the frame came in, monotonic.
   * @returns 0, or when to come back.
   */
  readonly takeFrame: (session: Session, from: Admitted, heardMs: number) => number;
  /** A bug of ours. */
  readonly onDefect: (error: unknown) => void;
}

/** A socket that is not to go on: what it is told, and how it is closed. */
export interface Farewell {
  readonly error: FrameError;
  readonly close: CloseReason;
}

/**
 * The least that a refused client is asked to wait: a whole window of requests that comes back sooner would be refused
 * again, and a well-behaved client closed as one that is not.
 */
const RETRY_MS_MIN = 200;
/** The share of `offencesMax` that is forgiven in a second. */
const FORGIVEN_SHARE = 0.2;

/** A close reason has at most 123 bytes; ours are ASCII, but some show what a client sent. */
const closeText = (message: string): string => message.replaceAll(/[^ -~]/g, '?').slice(0, 120);

/** What a failed check of a token means for the socket. */
function farewellOf(error: FrameError): Farewell {
  if (error.code === 'token_expired') return { error, close: 'tokenExpired' };
  return { error, close: error.code === 'unauthenticated' ? 'unauthenticated' : 'unavailable' };
}

/**
 * One socket, on its way in: from its first frame, which must be `connect`, to its last.
 *
 * (N1) Nothing but `connect` is looked at before the token was checked and `connected` is on its way.
 * (N2) Every frame with an id is answered, or the socket is closed.
 * (N3) A socket that goes on sending what is refused (unreadable, too fast) is closed.
 */
export class SocketSession {
  readonly socket: EngineSocket<Admitted>;
  readonly #parts: SocketSessionParts;
  readonly #bucket: TokenBucket;
  /** For `connect`, or behind it for its session; null while its turn to be opened has not come. */
  #waitedSinceMs: number | null;
  #heardAtMs: number;
  #session: Session | null = null;
  #isConnecting = false;
  #isRefreshing = false;
  #isOver = false;
  /** Null while there was none. */
  #offences: TokenBucket | null = null;

  constructor(socket: EngineSocket<Admitted>, parts: SocketSessionParts) {
    this.socket = socket;
    this.#parts = parts;
    const openedAtMs = parts.clock.monotonicMs();
    this.#waitedSinceMs = openedAtMs;
    this.#heardAtMs = openedAtMs;
    this.#bucket = new TokenBucket(parts.config.framesPerSession, openedAtMs);
  }

  get session(): Session | null {
    return this.#session;
  }

  message(data: Uint8Array, isBinary: boolean): void {
    if (this.#isOver) return;
    this.#heardAtMs = this.#parts.clock.monotonicMs();
    const { encoding } = this.socket.context;
    if (isBinary !== (encoding === 'binary')) {
      const wanted = encoding === 'binary' ? 'binary' : 'text';
      this.end({
        error: frameError('bad_frame', `over this subprotocol messages are ${wanted} ones`),
        close: 'badFrame',
      });
      return;
    }
    const decoded = decodeClientFrames(data, encoding, this.#parts.limits);
    if (!decoded.ok) {
      const { error, close } = decoded.error;
      this.end({ error, close });
      return;
    }
    this.#parts.observer.framesIn(decoded.value.length, data.length);
    for (const frame of decoded.value) {
      if (frame.ok) this.#frame(frame.value);
      else this.#refuseUnread(frame.error);
    }
  }

  /** What time brings, several times a second. */
  tick(): void {
    if (this.#isOver) return;
    const { clock, config } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (this.#session === null) {
      const isLate = this.#waitedSinceMs !== null && nowMs - this.#waitedSinceMs > config.handshakeMs;
      if (isLate) this.end(this.#handshakeFarewell());
      return;
    }
    if (nowMs - this.#heardAtMs > config.idleMs) this.#session.close('idle', 'nothing was heard for too long');
    else this.#session.tick(config.slowMsMax);
  }

  /** Tells the socket why, and closes it. */
  end({ error, close }: Farewell, id?: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const reason = closeText(error.message);
    if (this.#session !== null) {
      this.#session.refuse(id, error);
      this.#session.close(close, reason);
      return;
    }
    this.#say({ t: 'error', ...(id === undefined ? {} : { id }), ...error });
    this.socket.close(closeCode[close], reason);
  }

  /**
   * Every other socket of this node is closed, too: nothing is wrong with this one.
   *
   * @returns whether it was open.
   */
  leave(reason: 'draining' | 'moved', why: string): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    if (this.#session === null) this.socket.close(closeCode[reason], why);
    else this.#session.close(reason, why);
    return true;
  }

  /** The socket is gone. */
  closed(): void {
    this.#isOver = true;
    this.#session?.ended();
  }

  #handshakeFarewell(): Farewell {
    if (this.#isConnecting) {
      return { error: frameError('unavailable', 'the session could not be opened in time'), close: 'unavailable' };
    }
    const message = `connect within ${String(this.#parts.config.handshakeMs)} ms`;
    return { error: frameError('unauthenticated', message), close: 'handshakeTimeout' };
  }

  #say(frame: ErrorFrame): void {
    const { encoding } = this.socket.context;
    this.socket.send(encodeServerFrames([frame], encoding), encoding === 'binary');
  }

  #frame(frame: ClientFrame): void {
    if (this.#isOver) return;
    const session = this.#session;
    if (session === null) {
      this.#beforeSession(frame);
      return;
    }
    if (frame.t === 'connect') {
      session.refuse(frame.id, frameError('bad_request', 'this socket is connected already'));
      return;
    }
    const heardMs = this.#heardAtMs;
    const waitMs = this.#bucket.take(heardMs) || this.#parts.takeFrame(session, this.socket.context, heardMs);
    if (waitMs > 0) {
      this.#tooFast(session, frame, waitMs);
      return;
    }
    if (frame.t === 'refresh') void this.#refresh(session, frame);
    else this.#parts.submit(session, frame, heardMs);
  }

  #beforeSession(frame: ClientFrame): void {
    if (this.#isConnecting) {
      const error = frameError('unauthenticated', 'wait for `connected`');
      if ('id' in frame) this.#say({ t: 'error', id: frame.id, ...error });
      this.#offended();
    } else if (frame.t === 'connect') {
      this.#isConnecting = true;
      this.#waitedSinceMs = null;
      void this.#connect(frame);
    } else {
      const error = frameError('unauthenticated', 'the first frame must be `connect`');
      this.end({ error, close: 'unauthenticated' }, 'id' in frame ? frame.id : undefined);
    }
  }

  async #connect(frame: Connect): Promise<void> {
    const welcomed = await this.#welcome(frame);
    if (welcomed === null) return;
    if (!welcomed.ok) {
      this.end(welcomed.error, frame.id);
    } else if (this.#isOver) {
      welcomed.value.ended();
    } else {
      this.#session = welcomed.value;
    }
  }

  /** Null when the socket is gone meanwhile. */
  async #welcome(frame: Connect): Promise<Result<Session, Farewell> | null> {
    const { logins, clock } = this.#parts;
    const entered = logins.enter();
    const ticket = entered instanceof Promise ? await entered : entered;
    this.#waitedSinceMs = clock.monotonicMs();
    try {
      // Its peer may have gone while it waited, and again while its token was checked.
      const identity = this.#isOver ? null : await this.#identify(frame.token, frame.device);
      if (identity === null || this.#isOver) return null;
      return identity.ok ? await this.#parts.welcome(this.socket, frame, identity.value) : identity;
    } catch (error) {
      this.#parts.onDefect(error);
      return err({
        error: frameError('internal', 'this hit a defect of the server; it has been logged'),
        close: 'unavailable',
      });
    } finally {
      logins.leave(ticket);
    }
  }

  async #identify(token: string, device: Connect['device']): Promise<Result<VerifiedToken, Farewell>> {
    const identity = await this.#parts.verifier.verify(token);
    if (!identity.ok) return err(farewellOf(identity.error));
    if (identity.value.device !== null && identity.value.device !== device) {
      const message = 'the token was issued for another device';
      return err({ error: frameError('unauthenticated', message), close: 'unauthenticated' });
    }
    return ok(identity.value);
  }

  /** One at a time: checking a signature is work. */
  async #refresh(session: Session, frame: Refresh): Promise<void> {
    if (this.#isRefreshing) {
      this.#tooFast(session, frame, 0);
      return;
    }
    this.#isRefreshing = true;
    const identity = await this.#identify(frame.token, session.device);
    this.#isRefreshing = false;
    if (!identity.ok) {
      session.refuse(frame.id, identity.error.error);
    } else if (identity.value.user !== session.user) {
      session.refuse(frame.id, frameError('forbidden', 'the token speaks of another user: open a new socket for them'));
    } else {
      session.tokenUntil(identity.value.expiresAtMs);
      session.answer({ t: 'ok', id: frame.id });
    }
  }

  #refuseUnread(error: ErrorFrame): void {
    if (this.#isOver) return;
    if (this.#session === null && !this.#isConnecting) {
      this.end({ error, close: 'badFrame' });
      return;
    }
    if (this.#session === null) this.#say(error);
    else this.#session.answer(error);
    this.#offended();
  }

  #tooFast(session: Session, frame: Exclude<ClientFrame, Connect>, waitMs: number): void {
    const retryAfterMs = Math.max(RETRY_MS_MIN, waitMs);
    this.#parts.observer.rateLimited();
    if ('id' in frame) session.refuse(frame.id, frameError('rate_limited', 'too many requests', { retryAfterMs }));
    this.#offended();
  }

  #offended(): void {
    const { clock, config } = this.#parts;
    const nowMs = clock.monotonicMs();
    const burst = config.offencesMax;
    this.#offences ??= new TokenBucket({ perSecond: burst * FORGIVEN_SHARE, burst }, nowMs);
    if (this.#offences.take(nowMs) === 0) return;
    const message = 'too much of what this socket sent had to be refused';
    this.end({ error: frameError('rate_limited', message, { retryAfterMs: 1_000 }), close: 'rateLimited' });
  }
}
