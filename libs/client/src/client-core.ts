import {
  systemClock,
  systemRandom,
  systemTimers,
  type ConversationId,
  type DeviceId,
  type Random,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import { deviceTag, type Connected } from '@millrace/protocol';
import type { ClientStorage, ConnectionState, MillraceClientOptions } from './api.ts';
import { Asker } from './connection/asker.ts';
import { backoffMs, type BackoffLimits } from './connection/backoff.ts';
import { Connection } from './connection/connection.ts';
import { platformWebSocket } from './connection/web-socket.ts';
import { MillraceError } from './errors.ts';
import { ListenerTable } from './listeners.ts';
import { Outbox } from './publish/outbox.ts';
import { Sender } from './publish/sender.ts';
import { Persister } from './storage/persister.ts';
import { decodeStored } from './storage/stored-records.ts';
import { Device, newDevice, type DeviceState } from './subscription/device-state.ts';
import { Lobbies } from './subscription/lobbies.ts';
import { OpenConversations } from './subscription/open-conversations.ts';
import { Subscriber } from './subscription/subscriber.ts';

const defaults = {
  encoding: 'binary',
  clientName: 'millrace-client',
  sendWindow: 64,
  outboxMax: 10_000,
  cachedMessages: 1_000,
  reconnect: { initialMs: 250, maxMs: 15_000 },
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
} as const;

interface LiveWaiter {
  readonly resolve: () => void;
  readonly reject: (error: MillraceError) => void;
}

/**
 * Puts the parts of a client together and leads them through its life: load, connect, live, lost, closed.
 *
 * Everything runs in order of three rules: the storage is read before anything else; a lost connection is told to the
 * device before the outbox, and a new one to the outbox after the device; nothing is asked from within a step.
 */
export class ClientCore {
  readonly listeners = new ListenerTable();
  readonly deviceState: DeviceState = newDevice();
  readonly cachedMessages: number;
  readonly connection: Connection;
  readonly asker: Asker;
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly subscriber: Subscriber;
  readonly opened: OpenConversations;
  readonly lobbies: Lobbies;
  readonly random: Random;
  readonly #storage: ClientStorage | null;
  readonly #persister: Persister;
  readonly #liveWaiters = new Set<LiveWaiter>();
  #loading: Promise<void> | null = null;
  #device: DeviceId | null = null;
  #user: UserId | null = null;
  #tag = 0;
  #state: ConnectionState = 'offline';
  #reason = '';

  constructor(options: MillraceClientOptions) {
    const { clock = systemClock, timers = systemTimers, random = systemRandom } = options;
    const backoff = options.reconnect ?? defaults.reconnect;
    this.random = random;
    this.cachedMessages = options.cachedMessages ?? defaults.cachedMessages;
    this.#storage = options.storage ?? null;
    this.connection = this.#newConnection(options, backoff);
    const timeoutMs = options.requestTimeoutMs ?? defaults.requestTimeoutMs;
    this.asker = new Asker(this.connection, { timeoutMs, backoff, timers, random });
    this.#persister = this.#newPersister(timers);
    this.outbox = new Outbox(this.#persister, (failures) => backoffMs(failures, backoff, random));
    const windowMax = options.sendWindow ?? defaults.sendWindow;
    const outboxMax = options.outboxMax ?? defaults.outboxMax;
    this.sender = new Sender(
      this.connection,
      this.asker,
      this.outbox,
      { windowMax, outboxMax, clock, timers },
      {
        emit: this.listeners.emit,
        own: (conversation, message) => {
          this.lobbies.own(conversation, message);
        },
        sentAtChanged: () => this.#persister.device(),
      },
    );
    this.opened = new OpenConversations(this.asker);
    this.listeners.on('conversation', (summary) => {
      this.opened.changed(summary);
    });
    this.lobbies = new Lobbies(this.asker, {
      emit: this.listeners.emit,
      user: () => this.#user,
      hold: () => {
        this.subscriber.hold();
      },
      release: () => {
        this.subscriber.release();
      },
      knows: (conversation) => this.deviceState.conversations.has(conversation),
      becameGroup: (conversation) => {
        this.opened.keep(conversation);
      },
      own: (conversation, message) => {
        this.subscriber.step({ on: 'own', conversation, message });
      },
      settle: (conversation, message) => {
        if (message.deviceTag === this.#tag) this.sender.settle(conversation, message);
      },
    });
    this.subscriber = new Subscriber(
      this.#newDevice(),
      this.connection,
      this.asker,
      { backoff, timers, random },
      {
        emit: this.listeners.emit,
        live: () => this.#becameLive(),
        isOpen: (conversation) => this.opened.has(conversation),
        lobbyFrame: (frame) => this.lobbies.frame(frame),
        stepped: () => {
          this.lobbies.stepped();
        },
        settle: ({ conversation, message }) => this.sender.settle(conversation, message),
      },
    );
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get user(): UserId | null {
    return this.#user;
  }

  get device(): DeviceId | null {
    return this.#device;
  }

  /** Reads the storage, once. */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  async connect(): Promise<void> {
    await this.load();
    if (this.#state === 'live') return;
    const live = new Promise<void>((resolve, reject) => {
      this.#liveWaiters.add({ resolve, reject });
    });
    this.connection.open();
    await live;
  }

  async close(): Promise<void> {
    this.connection.close('closed by the application');
    // It may never have been open.
    if (this.#state !== 'closed') this.#setState('closed', 'closed by the application');
    await this.#loading;
    await this.#persister.flush();
    await this.#storage?.close?.();
  }

  refuseWhenClosed(): void {
    if (this.#state === 'closed') throw new MillraceError('closed', `the client is closed: ${this.#reason}`, 'later');
  }

  async #load(): Promise<void> {
    const stored = this.#storage === null ? null : decodeStored(await this.#storage.load());
    if (stored === null) {
      this.#device = this.random.id() as DeviceId;
      this.#persister.device();
      return;
    }
    this.#device = stored.device;
    this.#user = stored.user;
    this.#tag = stored.user === null ? 0 : deviceTag(stored.user, stored.device);
    this.sender.sentAt = stored.sentAt;
    Object.assign(this.deviceState, stored.state);
    this.outbox.restore(stored.outbox, stored.counters);
  }

  #newConnection(options: MillraceClientOptions, backoff: BackoffLimits): Connection {
    const { clock = systemClock, timers = systemTimers, random = systemRandom } = options;
    const webSocket = options.webSocket ?? platformWebSocket();
    if (webSocket === null) {
      throw new TypeError('this platform has no WebSocket: hand one in as `webSocket`, or use @millrace/client/node');
    }
    return new Connection(
      {
        url: options.url,
        webSocket,
        token: options.token,
        encoding: options.encoding ?? defaults.encoding,
        clientName: options.clientName ?? defaults.clientName,
        reconnect: backoff,
        connectTimeoutMs: options.connectTimeoutMs ?? defaults.connectTimeoutMs,
        clock,
        timers,
        random,
      },
      {
        device: () => this.#deviceId(),
        connected: (answer) => this.#connected(answer),
        frame: (frame) => this.subscriber.frame(frame),
        lost: () => this.#lost(),
        state: (state, reason) => this.#setState(state, reason),
      },
    );
  }

  #newPersister(timers: Timers): Persister {
    return new Persister(this.#storage, timers, {
      device: () => ({ device: this.#deviceId(), user: this.#user, sentAt: this.sender.sentAt }),
      state: this.deviceState,
      outbox: () => this.outbox,
      stored: (gone) => this.sender.stored(gone),
      failed: (error) => this.listeners.emit('storageError', error),
    });
  }

  #newDevice(): Device {
    const user = (): UserId => this.#user ?? ('' as UserId);
    const tag = (): number => this.#tag;
    const context = {
      get user() {
        return user();
      },
      get deviceTag() {
        return tag();
      },
      sendsPending: (conversation: ConversationId) => this.outbox.pending(conversation),
    };
    return new Device(this.deviceState, context, this.#persister, this.cachedMessages);
  }

  #deviceId(): DeviceId {
    if (this.#device === null) throw new MillraceError('closed', 'the storage was not read yet', 'later');
    return this.#device;
  }

  /** @returns why this connection must not go on, or null. */
  #connected(answer: Connected): string | null {
    const { user, device } = answer;
    if (this.#user !== null && this.#user !== user) {
      return `the storage belongs to ${this.#user}, the token to ${user}`;
    }
    if (device !== this.#deviceId()) {
      // The token names the device. Counters that were used under another name mean nothing under this one.
      if (this.outbox.used) return `the storage belongs to device ${this.#deviceId()}, the token to ${device}`;
      this.#device = device;
    }
    if (this.#user === null || this.#tag !== deviceTag(user, device)) {
      this.#user = user;
      this.#tag = deviceTag(user, device);
      this.#persister.device();
    }
    this.#setState('syncing', '');
    this.lobbies.connected();
    this.subscriber.connected(answer);
    this.sender.connected(answer);
    this.opened.connected();
    this.asker.pump();
    return null;
  }

  #lost(): void {
    this.lobbies.lost();
    this.subscriber.lost();
    this.sender.lost();
  }

  #becameLive(): void {
    this.connection.settled();
    if (this.#state === 'syncing') this.#setState('live', '');
    for (const { resolve } of this.#liveWaiters) resolve();
    this.#liveWaiters.clear();
  }

  #setState(state: ConnectionState, reason: string): void {
    this.#state = state;
    this.#reason = reason;
    if (state === 'closed') {
      for (const { reject } of this.#liveWaiters) reject(new MillraceError('closed', reason, 'later'));
      this.#liveWaiters.clear();
      this.asker.close(reason);
      this.sender.close(reason);
    }
    this.listeners.emit('state', state, reason);
  }
}
