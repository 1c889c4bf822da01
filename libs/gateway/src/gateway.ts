import { err, ok, type Cancel, type Clock, type Random, type Result, type Timers } from '@millrace/kernel';
import type { ChatService } from '@millrace/messaging';
import { closeCode, frameError, protocolLimits, type Connect } from '@millrace/protocol';
import type { TokenVerifier, VerifiedToken } from './auth/token-verifier.ts';
import type { EngineServer, EngineSocket, ListenError, SocketEngine } from './engine/socket-engine.ts';
import { TurnQueue } from './engine/turn-queue.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { Admission, type Admitted } from './inbound/admission.ts';
import { RateTable } from './inbound/rate-limit.ts';
import { SocketSession, type Farewell } from './inbound/socket-session.ts';
import { submit } from './inbound/submit.ts';
import type { GatewayLog } from './log.ts';
import type { GatewayObserver } from './observer.ts';
import type { Outbox } from './outbound/outbox.ts';
import { SessionRegistry } from './outbound/session-registry.ts';
import { Session } from './outbound/session.ts';

export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly engine: SocketEngine;
  readonly chat: ChatService;
  readonly verifier: TokenVerifier;
  readonly ackLevel: 'memory' | 'disk' | 'replicated';
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: GatewayLog;
  readonly observer: GatewayObserver;
}

export interface GatewayStats {
  readonly sockets: number;
  readonly sessions: number;
  readonly users: number;
}

const TICK_MS = 250;
/** Each socket is looked at every so many ticks; they are spread over them. */
const TICKS = 4;
/** A message that is too long for the protocol is answered; one that is longer than this is cut off by the engine. */
const FRAME_SLACK = 2;

/**
 * The sockets of one node: who may open one, what they may ask, and what they are told. Keeps nothing that could not be
 * rebuilt.
 */
export class Gateway {
  readonly sessions = new SessionRegistry();
  readonly #parts: GatewayParts;
  readonly #admission: Admission;
  readonly #sockets = new Map<EngineSocket<Admitted>, SocketSession>();
  readonly #turn: TurnQueue<Outbox>;
  readonly #userFrames: RateTable;
  #server: EngineServer | null = null;
  #cancelTick: Cancel = () => undefined;
  #ticks = 0;
  #isDraining = false;

  static async start(parts: GatewayParts): Promise<Result<Gateway, ListenError>> {
    const gateway = new Gateway(parts);
    const { host, port, frameBytesMax, sendBufferBytesMax, handshakeMs, closeMs } = parts.config;
    const listening = await parts.engine.listen<Admitted>(
      {
        host,
        port,
        maxFrameBytes: frameBytesMax * FRAME_SLACK,
        maxSendBufferBytes: sendBufferBytesMax,
        handshakeMs,
        closeMs,
      },
      {
        onUpgrade: (request) => gateway.#admission.decide(request),
        onOpen: (socket) => {
          gateway.#opened(socket);
        },
        onMessage: (socket, data, isBinary) => gateway.#sockets.get(socket)?.message(data, isBinary),
        onDrain: (socket) => gateway.#sockets.get(socket)?.session?.drained(),
        onDropped: () => undefined,
        onClose: (socket, code) => {
          gateway.#closed(socket, code);
        },
      },
    );
    if (!listening.ok) return listening;
    gateway.#server = listening.value;
    gateway.#tickLater();
    return ok(gateway);
  }

  private constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#admission = new Admission(parts.config, parts.clock);
    this.#userFrames = new RateTable(parts.config.framesPerUser, parts.clock);
    this.#turn = new TurnQueue(parts.timers, (outbox) => {
      outbox.flush();
    });
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  stats(): GatewayStats {
    return { sockets: this.#admission.total, sessions: this.sessions.size, users: this.sessions.users };
  }

  /** Takes no new sockets, asks the others to go elsewhere, and closes those that are left after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#admission.drain();
    for (const session of this.sessions.all()) session.answer({ t: 'drain', deadlineMs });
    const deadline = this.#parts.clock.monotonicMs() + deadlineMs;
    while (this.#sockets.size > 0 && this.#parts.clock.monotonicMs() < deadline) await this.#wait(10);
    for (const { session, socket } of this.#sockets.values()) {
      if (session === null) socket.close(closeCode.draining, 'this node is stopping');
      else session.close('draining', 'this node is stopping');
    }
    const closed = this.#parts.clock.monotonicMs() + this.#parts.config.closeMs;
    while (this.#sockets.size > 0 && this.#parts.clock.monotonicMs() < closed) await this.#wait(10);
  }

  async close(): Promise<void> {
    this.#cancelTick();
    await this.#server?.close();
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(delayMs, resolve);
    });
  }

  #tickLater(): void {
    this.#cancelTick = this.#parts.timers.after(TICK_MS, () => {
      this.#ticks += 1;
      let index = 0;
      for (const socket of this.#sockets.values()) {
        if (index % TICKS === this.#ticks % TICKS) socket.tick();
        index += 1;
      }
      if (this.#ticks % 40 === 0) {
        this.#admission.sweep();
        this.#userFrames.sweep();
      }
      this.#tickLater();
    });
  }

  #opened(socket: EngineSocket<Admitted>): void {
    const { config, clock, verifier, observer, chat, log } = this.#parts;
    this.#admission.opened(socket.context);
    observer.socketOpened();
    const submitParts = {
      chat,
      nowMs: () => clock.nowMs(),
      requestsInFlightMax: config.requestsInFlightMax,
      onDefect: (error: unknown) => {
        log.error('a request failed by a defect', { error: error instanceof Error ? error.stack : String(error) });
      },
    };
    this.#sockets.set(
      socket,
      new SocketSession(socket, {
        config,
        clock,
        verifier,
        observer,
        welcome: (...args) => this.#welcome(...args),
        submit: (session, frame) => {
          submit(submitParts, session, frame);
        },
        takeUserFrame: ({ user }) => this.#userFrames.take(user),
      }),
    );
  }

  #closed(socket: EngineSocket<Admitted>, code: number): void {
    const socketSession = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    this.#admission.closed(socket.context);
    this.#parts.observer.socketClosed(code);
    socketSession?.closed();
    const session = socketSession?.session ?? null;
    if (session !== null && this.sessions.remove(session)) this.#parts.chat.detach(session.user);
  }

  async #welcome(
    socket: EngineSocket<Admitted>,
    frame: Connect,
    identity: VerifiedToken,
  ): Promise<Result<Session, Farewell>> {
    const { config, clock, random, observer, chat, ackLevel } = this.#parts;
    const { user, expiresAtMs } = identity;
    this.sessions.on(user, frame.device)?.close('replaced', 'this device has connected again');
    if (this.sessions.count(user) >= config.sessionsPerUserMax) {
      const message = `a user has at most ${String(config.sessionsPerUserMax)} sessions`;
      return err({ error: frameError('limit_reached', message), close: 'overloaded' });
    }
    const session = new Session({
      id: random.id(),
      user,
      device: frame.device,
      client: frame.client ?? null,
      ip: socket.context.ip,
      expiresAtMs,
      socket,
      encoding: socket.context.encoding,
      sendBufferBytesMax: config.sendBufferBytesMax,
      clock,
      turn: this.#turn,
      observer,
    });
    // Known before it is asked where the inbox stands, so that no push falls in between.
    this.sessions.add(session);
    const inbox = await chat.attach(user);
    if (!inbox.ok || !this.#sockets.has(socket)) {
      if (this.sessions.remove(session)) chat.detach(user);
      const error = inbox.ok ? frameError('unavailable', 'the socket was closed') : inbox.error;
      return err({ error, close: 'unavailable' });
    }
    session.answer({
      t: 'connected',
      id: frame.id,
      user,
      device: frame.device,
      session: session.id,
      serverTime: clock.nowMs(),
      ackLevel,
      inbox: inbox.value,
      limits: {
        frameBytes: config.frameBytesMax,
        bodyBytes: config.bodyBytesMax,
        sendWindow: protocolLimits.sendWindow,
        idleMs: config.idleMs,
      },
    });
    if (this.#isDraining) session.answer({ t: 'drain', deadlineMs: 0 });
    session.attached(inbox.value);
    return ok(session);
  }
}
