import { err, ok, type Clock, type Result } from '@millrace/kernel';
import {
  closeCode,
  decodeClientFrames,
  encodeServerFrames,
  frameError,
  protocolLimits,
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

export interface SocketSessionParts {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly verifier: TokenVerifier;
  readonly observer: GatewayObserver;
  /** Makes the session of a verified device and attaches it; answers `connected` itself. */
  readonly welcome: (
    socket: EngineSocket<Admitted>,
    frame: Connect,
    identity: VerifiedToken,
  ) => Promise<Result<Session, Farewell>>;
  readonly submit: (session: Session, frame: ChatFrame) => void;
  /** Beside the session's own bucket: what the user may do over all sessions. @returns 0, or when to come back. */
  readonly takeUserFrame: (session: Session) => number;
}

/** A socket that is not to go on: what it is told, and how it is closed. */
export interface Farewell {
  readonly error: FrameError;
  readonly close: CloseReason;
}

/** Frames that may wait while a token is being checked. */
const WAITING_MAX = 64;

/** What a failed check of a token means for the socket. */
function farewellOf(error: FrameError): Farewell {
  if (error.code === 'token_expired') return { error, close: 'tokenExpired' };
  return { error, close: error.code === 'unauthenticated' ? 'unauthenticated' : 'unavailable' };
}

/**
 * One socket, on its way in: from its first frame, which must be `connect`, to its last.
 *
 * (N1) Nothing but `connect` is looked at before the token was checked; frames behind it wait, bounded.
 * (N2) Every frame with an id is answered, or the socket is closed.
 * (N3) A socket that goes on sending what is refused (unreadable, too fast) is closed.
 */
export class SocketSession {
  readonly socket: EngineSocket<Admitted>;
  readonly #parts: SocketSessionParts;
  readonly #limits: ProtocolLimits;
  readonly #bucket: TokenBucket;
  readonly #openedAtMs: number;
  #heardAtMs: number;
  #session: Session | null = null;
  #isConnecting = false;
  #isOver = false;
  #waiting: ClientFrame[] = [];
  #offences = 0;

  constructor(socket: EngineSocket<Admitted>, parts: SocketSessionParts) {
    this.socket = socket;
    this.#parts = parts;
    const { frameBytesMax, bodyBytesMax, framesPerSession } = parts.config;
    this.#limits = { ...protocolLimits, frameBytes: frameBytesMax, bodyBytes: bodyBytesMax };
    this.#openedAtMs = parts.clock.monotonicMs();
    this.#heardAtMs = this.#openedAtMs;
    this.#bucket = new TokenBucket(framesPerSession, this.#openedAtMs);
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
    const decoded = decodeClientFrames(data, encoding, this.#limits);
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
      if (nowMs - this.#openedAtMs > config.handshakeMs) {
        const message = `connect within ${String(config.handshakeMs)} ms`;
        this.end({ error: frameError('unauthenticated', message), close: 'handshakeTimeout' });
      }
      return;
    }
    if (nowMs - this.#heardAtMs > config.idleMs) this.#session.close('idle', 'nothing was heard for too long');
    else if (clock.nowMs() >= this.#session.expiresAtMs) this.#session.close('tokenExpired', 'the token has expired');
    else this.#session.tick(config.slowMsMax);
  }

  /** Tells the socket why, and closes it. */
  end({ error, close }: Farewell): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#session !== null) {
      this.#session.refuse(undefined, error);
      this.#session.close(close, error.message.slice(0, 100));
      return;
    }
    this.#say({ t: 'error', ...error });
    this.socket.close(closeCode[close], error.message.slice(0, 100));
  }

  /** The socket is gone. */
  closed(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#session?.ended();
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
    const waitMs = this.#bucket.take(this.#heardAtMs) || this.#parts.takeUserFrame(session);
    if (waitMs > 0) {
      this.#tooFast(session, frame, waitMs);
      return;
    }
    if (frame.t === 'refresh') void this.#refresh(session, frame);
    else this.#parts.submit(session, frame);
  }

  #beforeSession(frame: ClientFrame): void {
    if (this.#isConnecting) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(frame);
      else
        this.end({
          error: frameError('overloaded', 'wait for `connected` before you send so much'),
          close: 'overloaded',
        });
    } else if (frame.t === 'connect') {
      this.#isConnecting = true;
      void this.#connect(frame);
    } else {
      this.end({ error: frameError('unauthenticated', 'the first frame must be `connect`'), close: 'unauthenticated' });
    }
  }

  async #connect(frame: Connect): Promise<void> {
    const identity = await this.#identify(frame.token, frame.device);
    if (this.#isOver) return;
    const welcomed = identity.ok ? await this.#parts.welcome(this.socket, frame, identity.value) : identity;
    if (!welcomed.ok) {
      this.#say({ t: 'error', id: frame.id, ...welcomed.error.error });
      this.#isOver = true;
      this.socket.close(closeCode[welcomed.error.close], welcomed.error.error.message.slice(0, 100));
      return;
    }
    this.#session = welcomed.value;
    if (this.#isOver) {
      welcomed.value.ended();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const next of waiting) this.#frame(next);
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

  async #refresh(session: Session, frame: Refresh): Promise<void> {
    const identity = await this.#identify(frame.token, session.device);
    if (!identity.ok) {
      session.refuse(frame.id, identity.error.error);
    } else if (identity.value.user !== session.user) {
      session.refuse(frame.id, frameError('forbidden', 'the token speaks of another user: open a new socket for them'));
    } else {
      session.expiresAtMs = identity.value.expiresAtMs;
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

  #tooFast(session: Session, frame: Exclude<ClientFrame, Connect>, retryAfterMs: number): void {
    this.#parts.observer.rateLimited();
    if ('id' in frame) session.refuse(frame.id, frameError('rate_limited', 'too many requests', { retryAfterMs }));
    this.#offended();
  }

  #offended(): void {
    this.#offences += 1;
    if (this.#offences < this.#parts.config.offencesMax) return;
    const message = 'too much of what this socket sent had to be refused';
    this.end({ error: frameError('rate_limited', message, { retryAfterMs: 1_000 }), close: 'rateLimited' });
  }
}
