import {
  err,
  isLobbyId,
  ok,
  type Cancel,
  type Clock,
  type ConversationId,
  type Random,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import type { ChatService, MessageTrace } from '@millrace/messaging';
import { frameError, protocolLimits, type Connect } from '@millrace/protocol';
import type { TokenVerifier, VerifiedToken } from './auth/token-verifier.ts';
import type { EngineServer, EngineSocket, ListenError, SocketEngine } from './engine/socket-engine.ts';
import { TurnQueue } from './engine/turn-queue.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { Admission, type Admitted } from './inbound/admission.ts';
import { RateTable } from './inbound/rate-limit.ts';
import { SocketSession, type Farewell, type SocketSessionParts } from './inbound/socket-session.ts';
import { submit } from './inbound/submit.ts';
import { Turnstile } from './inbound/turnstile.ts';
import { LiveRooms } from './live/live-rooms.ts';
import type { GatewayLog } from './log.ts';
import type { GatewayObserver } from './observer.ts';
import type { InboxPosition } from './outbound/inbox-follower.ts';
import type { Outbox } from './outbound/outbox.ts';
import { SessionRegistry } from './outbound/session-registry.ts';
import { Session, type SessionHost } from './outbound/session.ts';

export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly engine: SocketEngine;
  readonly chat: ChatService;
  readonly verifier: TokenVerifier;
  readonly ackLevel: 'memory' | 'disk' | 'replicated';
  /** Whether this node can do nothing for its clients at present, and another one can. Asked several times a second. */
  readonly isCutOff: () => boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: GatewayLog;
  readonly observer: GatewayObserver;
  /** Where it notes what becomes of messages. */
  readonly trace: MessageTrace;
}

export interface GatewayStats {
  readonly sockets: number;
  readonly sessions: number;
  readonly users: number;
}

const TICK_MS = 250;
const EMPTY_CHECK_MS = 10;
/** Between two steps in which clients are asked to go. */
const GO_STEP_MS = 50;
/** A login or a sync that takes longer waits for something else than this node. */
const SLOW_MS = 250;
/** Each socket is looked at every so many ticks; they are spread over them. */
const TICKS = 4;
/** Sockets that are sent to other nodes at once: in a second no more than one of these takes, by default. */
const AWAY_PER_TICK = 1_250;
/** A message that is too long for the protocol is answered; one so many times as long is cut off by the engine. */
const FRAME_SLACK = 4;

/**
 * The sockets of one node: who may open one, what they may ask, and what they are told. Keeps nothing that could not be
 * rebuilt.
 */
export class Gateway {
  readonly sessions: SessionRegistry;
  /** Conversations in read mode. */
  readonly live: LiveRooms;
  readonly #parts: GatewayParts;
  readonly #admission: Admission;
  readonly #sockets = new Map<EngineSocket<Admitted>, SocketSession>();
  readonly #turn: TurnQueue<Outbox>;
  readonly #userFrames: RateTable;
  readonly #ipFrames: RateTable;
  readonly #logins: Turnstile;
  readonly #syncs: Turnstile;
  readonly #searches: Turnstile;
  readonly #userSearches: RateTable;
  readonly #socketParts: SocketSessionParts;
  readonly #host: SessionHost;
  #server: EngineServer | null = null;
  #cancelTick: Cancel = () => undefined;
  #ticks = 0;
  readonly #attaching = new Map<UserId, number>();
  /** Monotonic; null until it drains. */
  #drainUntilMs: number | null = null;

  static async start(parts: GatewayParts): Promise<Result<Gateway, ListenError>> {
    const gateway = new Gateway(parts);
    const { host, port, portShared: shared, frameBytesMax, sendBufferBytesMax, handshakeMs, closeMs } = parts.config;
    const listening = await parts.engine.listen<Admitted>(
      {
        host,
        port,
        shared,
        maxFrameBytes: frameBytesMax * FRAME_SLACK,
        maxSendBufferBytes: sendBufferBytesMax,
        handshakeMs,
        closeMs,
      },
      {
        // Of these two come thousands in a turn when a crowd does: what is to go out meanwhile does not wait for all of them.
        onUpgrade: (request) => {
          parts.timers.catchUp?.();
          return gateway.#admission.decide(request);
        },
        onOpen: (socket) => {
          gateway.#opened(socket);
        },
        onMessage: (socket, data, isBinary) => {
          parts.timers.catchUp?.();
          gateway.#sockets.get(socket)?.message(data, isBinary);
        },
        onDrain: (socket) => {
          const session = gateway.#sockets.get(socket)?.session;
          session?.drained();
          if (session?.isOpen === true) gateway.live.look(session);
        },
        onDropped: (socket) => {
          const session = gateway.#sockets.get(socket)?.session;
          if (session?.isOpen === true) gateway.live.passedOver(session);
        },
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
    this.sessions = new SessionRegistry(parts.chat);
    this.#admission = new Admission(parts.config, parts.clock);
    this.#userFrames = new RateTable(parts.config.framesPerUser, parts.clock);
    this.#ipFrames = new RateTable(parts.config.framesPerIp, parts.clock);
    this.#logins = new Turnstile(parts.config.loginsAtOnce, SLOW_MS, parts.clock);
    this.#syncs = new Turnstile(parts.config.syncsAtOnce, SLOW_MS, parts.clock);
    this.#searches = new Turnstile(parts.config.searchesAtOnce, SLOW_MS, parts.clock);
    this.#userSearches = new RateTable(parts.config.searchesPerUser, parts.clock);
    this.live = new LiveRooms({
      timers: parts.timers,
      sessionsOf: (user) => this.sessions.of(user),
      publish: (topic, message, isBinary) => this.#server?.publish(topic, message, isBinary),
      flush: () => this.#server?.flush(),
      trace: parts.trace,
      onDamaged: (conversation, error) => {
        parts.log.error('a stored entry cannot be read', { conversation, why: error.message });
      },
    });
    this.#turn = new TurnQueue(
      parts.timers,
      (outbox) => {
        outbox.flush();
      },
      () => this.#server?.flush(),
    );
    this.#socketParts = this.#partsOfSockets();
    this.#host = this.#hostOfSessions();
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  stats(): GatewayStats {
    return { sockets: this.#admission.total, sessions: this.sessions.size, users: this.sessions.users };
  }

  /**
   * Takes no new sockets, asks the others to go elsewhere, and closes those that are left after `deadlineMs`. On a shared
   * port it stops listening first, so that whoever comes back is taken by another process.
   */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#drainUntilMs !== null) return;
    const { clock, config } = this.#parts;
    this.#drainUntilMs = clock.monotonicMs() + deadlineMs;
    if (config.portShared) this.#server?.stopListening();
    this.#admission.drain();
    await this.#askToGo(this.#drainUntilMs);
    await this.#untilEmpty(this.#drainUntilMs);
    for (const socket of this.#sockets.values()) socket.leave('draining', 'this node is stopping');
    await this.#untilEmpty(clock.monotonicMs() + config.closeMs);
  }

  /**
   * Asks the clients to go, some at a time, within half of the time that they have: where all come at once everybody waits
   * for it, those who were there before among them.
   */
  async #askToGo(untilMs: number): Promise<void> {
    const { clock } = this.#parts;
    const sessions = [...this.sessions.all()];
    const steps = Math.max(1, Math.floor((untilMs - clock.monotonicMs()) / 2 / GO_STEP_MS));
    const atOnce = Math.ceil(sessions.length / steps);
    for (let from = 0; from < sessions.length; from += atOnce) {
      if (from > 0) await this.#wait(GO_STEP_MS);
      for (const session of sessions.slice(from, from + atOnce)) if (session.isOpen) this.#askedToGo(session, untilMs);
    }
  }

  #askedToGo(session: Session, untilMs: number): void {
    session.answer({ t: 'drain', deadlineMs: Math.max(0, Math.floor(untilMs - this.#parts.clock.monotonicMs())) });
  }

  /** The sockets, a part of them at a time. */
  #tick(): void {
    const isCutOff = this.#parts.isCutOff();
    this.#admission.cutOff(isCutOff);
    this.sessions.presenceWatch.tick();
    let [index, away] = [0, 0];
    for (const socket of this.#sockets.values()) {
      if (isCutOff && away < AWAY_PER_TICK) {
        if (socket.leave('moved', 'this node cannot reach its store, but another one can: connect there')) away += 1;
      } else if (index % TICKS === this.#ticks % TICKS) {
        socket.tick();
        if (socket.session?.isOpen === true) this.live.look(socket.session);
      }
      index += 1;
    }
  }

  async close(): Promise<void> {
    this.#cancelTick();
    await this.#server?.close();
  }

  /** Waits until the last socket is gone, or until then. */
  async #untilEmpty(untilMs: number): Promise<void> {
    const { clock } = this.#parts;
    while (this.#sockets.size > 0 && clock.monotonicMs() < untilMs) await this.#wait(EMPTY_CHECK_MS);
  }

  #wait(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(forMs, resolve);
    });
  }

  #tickLater(): void {
    this.#cancelTick = this.#parts.timers.after(TICK_MS, () => {
      this.#ticks += 1;
      this.#logins.sweep();
      this.#syncs.sweep();
      this.#searches.sweep();
      this.#tick();
      if (this.#ticks % 40 === 0) {
        this.#admission.sweep();
        this.#userFrames.sweep();
        this.#userSearches.sweep();
        this.#ipFrames.sweep();
      }
      this.#tickLater();
    });
  }

  #opened(socket: EngineSocket<Admitted>): void {
    this.#admission.opened(socket.context);
    this.#parts.observer.socketOpened();
    this.#sockets.set(socket, new SocketSession(socket, this.#socketParts));
  }

  /** The same for all sockets, of which there are many. */
  #partsOfSockets(): SocketSessionParts {
    const { config, clock, verifier, observer, chat, trace } = this.#parts;
    const { requestsInFlightMax, queriesInFlightMax, frameBytesMax, bodyBytesMax } = config;
    const onDefect = (error: unknown): void => {
      this.#defect(error);
    };
    const nowMs = (): number => clock.nowMs();
    const { live: rooms } = this;
    const lobbyClosed = ({ user }: Session, lobby: ConversationId): void => {
      this.#lobbyClosed(user, lobby);
    };
    const presence = this.sessions.presenceWatch;
    const crowds = { syncs: this.#syncs, searches: this.#searches };
    const takeSearch = ({ user }: Session): number => this.#userSearches.take(user);
    const bounds = { requestsInFlightMax, queriesInFlightMax, ...crowds, takeSearch };
    const submitParts = { chat, presence, trace, nowMs, ...bounds, rooms, lobbyClosed, onDefect };
    return {
      config,
      limits: { ...protocolLimits, frameBytes: frameBytesMax, bodyBytes: bodyBytesMax },
      clock,
      verifier,
      observer,
      logins: this.#logins,
      onDefect,
      welcome: (...args) => this.#welcome(...args),
      submit: (session, frame, heardMs) => {
        submit(submitParts, session, frame, heardMs);
      },
      takeFrame: ({ user }, { ipKey }, heardMs) =>
        this.#userFrames.take(user, heardMs) || this.#ipFrames.take(ipKey, heardMs),
    };
  }

  #closed(socket: EngineSocket<Admitted>, code: number): void {
    const socketSession = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    this.#admission.closed(socket.context);
    this.#parts.observer.socketClosed(code);
    socketSession?.closed();
  }

  async #welcome(
    socket: EngineSocket<Admitted>,
    frame: Connect,
    token: VerifiedToken,
  ): Promise<Result<Session, Farewell>> {
    const { user } = token;
    if (this.#drainUntilMs !== null) {
      return err({ error: frameError('draining', 'this node is stopping; connect again'), close: 'draining' });
    }
    this.sessions.on(user, frame.device)?.close('replaced', 'this device has connected again');
    if (this.sessions.count(user) >= this.#parts.config.sessionsPerUserMax) {
      const message = `a user has at most ${String(this.#parts.config.sessionsPerUserMax)} sessions`;
      return err({ error: frameError('limit_reached', message), close: 'overloaded' });
    }
    const session = this.#session(socket, frame, token);
    // Known before it is asked where the inbox stands, so that no push falls in between.
    this.sessions.add(session);
    let isIntroduced = false;
    try {
      const attached = await this.#attach(user);
      if (!attached.ok) return err({ error: attached.error, close: 'unavailable' });
      const { gen, seq, arrival } = attached.value;
      isIntroduced = this.#sockets.has(socket);
      if (isIntroduced && session.arrived(arrival)) {
        this.#introduce(session, frame.id, { gen, seq });
        this.#parts.chat.connected(session.principal, arrival);
      }
      return ok(session);
    } finally {
      if (!isIntroduced) session.ended();
    }
  }

  #session(socket: EngineSocket<Admitted>, { device, client }: Connect, token: VerifiedToken): Session {
    const { random, trace } = this.#parts;
    const { user, expiresAtMs } = token;
    const id = random.id();
    const { ip, encoding } = socket.context;
    // One literal: what is put together of others has a shape of its own in the engine, and these are read for each frame.
    return new Session({
      id,
      user,
      device,
      client: client ?? null,
      ip,
      expiresAtMs,
      socket,
      encoding,
      trace: trace.connected({ user, device }, id),
      host: this.#host,
    });
  }

  #hostOfSessions(): SessionHost {
    const { config, clock, observer, log } = this.#parts;
    return {
      ...{ sendBufferBytesMax: config.sendBufferBytesMax, turn: this.#turn, clock, observer },
      onDamaged: ({ user }, error) => {
        log.error('a stored entry cannot be read', { user, why: error.message });
      },
      onEnd: (ended) => {
        this.live.removed(ended);
        this.sessions.remove(ended);
        for (const held of ended.shown.held()) if (isLobbyId(held)) this.#lobbyClosed(ended.user, held);
        this.#detachIfGone(ended.user);
      },
    };
  }

  /** Ends with the user attached or, when all of their sessions here went meanwhile, detached again. */
  async #attach(user: UserId): ReturnType<ChatService['attach']> {
    this.#attaching.set(user, (this.#attaching.get(user) ?? 0) + 1);
    try {
      return await this.#parts.chat.attach(user);
    } finally {
      const left = (this.#attaching.get(user) ?? 1) - 1;
      if (left > 0) this.#attaching.set(user, left);
      else this.#attaching.delete(user);
      this.#detachIfGone(user);
    }
  }

  /** A session of the user has that lobby open no more, or could not open it. */
  #lobbyClosed(user: UserId, lobby: ConversationId): void {
    for (const session of this.sessions.of(user)) if (session.shown.holds(lobby)) return;
    this.#parts.chat.away(user, lobby);
  }

  #detachIfGone(user: UserId): void {
    if (this.sessions.count(user) === 0 && !this.#attaching.has(user)) this.#parts.chat.detach(user);
  }

  #introduce(session: Session, id: number, inbox: InboxPosition): void {
    const { config, clock, ackLevel } = this.#parts;
    session.answer({
      t: 'connected',
      id,
      user: session.user,
      device: session.device,
      session: session.id,
      serverTime: clock.nowMs(),
      ackLevel,
      inbox,
      limits: {
        frameBytes: config.frameBytesMax,
        bodyBytes: config.bodyBytesMax,
        sendWindow: protocolLimits.sendWindow,
        idleMs: config.idleMs,
      },
    });
    if (this.#drainUntilMs !== null) this.#askedToGo(session, this.#drainUntilMs);
    session.attached(inbox);
    this.live.added(session);
  }

  #defect(error: unknown): void {
    this.#parts.log.error('a request failed by a defect', {
      error: error instanceof Error ? error.stack : String(error),
    });
  }
}
