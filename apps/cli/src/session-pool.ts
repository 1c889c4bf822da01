import { err, invariant, ok, type DeviceId, type Result, type Timers, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { RawSession, type AnswerTo, type RequestContent, type SessionError } from '@millrace/raw-client';
import type { TokenSource } from './token-source.ts';

/** What the pool needs of a connection. */
export interface PooledSession {
  readonly isOpen: boolean;
  request<Request extends RequestContent>(content: Request): Promise<Result<AnswerTo<Request>, SessionError>>;
  /** Tells `onClose` before it returns. */
  close(): void;
}

/** Opens a connection of a user. `onClose` is called once when one that was opened is over. */
export type OpenSession = (user: UserId, onClose: () => void) => Promise<Result<PooledSession, SessionError>>;

interface Held {
  readonly session: PooledSession;
  users: number;
}

/** The connection was lost, or closed to make room, in the moment since it was opened. */
const GONE_AGAIN: SessionError = { kind: 'lost', closeCode: 1006, reason: 'gone again', reconnect: 'now' };

/**
 * One connection a user, as many open as allowed: the one that was not used for longest makes room.
 *
 * (P1) A user has at most one connection of this pool: one that is being opened is shared by all who ask for it.
 * (P2) Never more than `openMax` connections, those being opened included; who comes too many waits.
 */
export class SessionPool {
  readonly #openMax: number;
  readonly #openSession: OpenSession;
  /** In order of last use. */
  readonly #held = new Map<UserId, Held>();
  readonly #opening = new Map<UserId, Promise<Result<PooledSession, SessionError>>>();
  readonly #waitingForSlot: (() => void)[] = [];
  #slotsUsed = 0;
  #opened = 0;

  /** @param openMax - connections at most. */
  constructor(openMax: number, openSession: OpenSession) {
    this.#openMax = openMax;
    this.#openSession = openSession;
  }

  /** How many connections were opened so far. */
  get opened(): number {
    return this.#opened;
  }

  /** How many are open, or being opened, now. */
  get open(): number {
    return this.#slotsUsed;
  }

  /** Runs `job` with an open connection of the user, or answers why there is none. */
  async use<T>(
    user: UserId,
    job: (session: PooledSession) => Promise<Result<T, SessionError>>,
  ): Promise<Result<T, SessionError>> {
    const session = await this.#sessionOf(user);
    if (!session.ok) return session;
    const held = this.#held.get(user);
    if (held?.session !== session.value) return err(GONE_AGAIN);
    held.users += 1;
    this.#held.delete(user);
    this.#held.set(user, held);
    try {
      return await job(session.value);
    } finally {
      held.users -= 1;
      if (held.users === 0) this.#waitingForSlot.shift()?.();
    }
  }

  request<Request extends RequestContent>(
    user: UserId,
    content: Request,
  ): Promise<Result<AnswerTo<Request>, SessionError>> {
    return this.use(user, (session) => session.request(content));
  }

  async #sessionOf(user: UserId): Promise<Result<PooledSession, SessionError>> {
    const held = this.#held.get(user);
    if (held !== undefined) return ok(held.session);
    let opening = this.#opening.get(user);
    if (opening === undefined) {
      opening = this.#openFor(user).finally(() => this.#opening.delete(user));
      this.#opening.set(user, opening);
    }
    return opening;
  }

  async #openFor(user: UserId): Promise<Result<PooledSession, SessionError>> {
    await this.#takeSlot();
    this.#opened += 1;
    const session = await this.#openSession(user, () => {
      this.#held.delete(user);
      this.#giveSlot();
    });
    if (!session.ok) this.#giveSlot();
    else if (session.value.isOpen) this.#held.set(user, { session: session.value, users: 0 });
    return session;
  }

  async #takeSlot(): Promise<void> {
    while (this.#slotsUsed >= this.#openMax) {
      if (this.#closeIdle()) continue;
      await new Promise<void>((resolve) => {
        this.#waitingForSlot.push(resolve);
      });
    }
    this.#slotsUsed += 1;
  }

  #giveSlot(): void {
    this.#slotsUsed -= 1;
    this.#waitingForSlot.shift()?.();
  }

  /** Closes the connection that was not used for longest; false when all are in use. */
  #closeIdle(): boolean {
    for (const { session, users } of this.#held.values()) {
      if (users > 0) continue;
      session.close();
      return true;
    }
    return false;
  }

  close(): void {
    invariant(this.#waitingForSlot.length === 0, 'a pool is closed only when nobody waits for it');
    for (const { session } of [...this.#held.values()]) session.close();
  }
}

/** Opens raw sessions, all of one device id. */
export function rawSessionsOf(target: {
  readonly websocket: string;
  readonly device: DeviceId;
  readonly tokenOf: TokenSource;
  readonly timers: Timers;
}): OpenSession {
  return async (user, onClose) => {
    const token = await target.tokenOf(user);
    if (!token.ok) return err({ kind: 'refused', error: frameError('forbidden', token.error) });
    const { websocket, device, timers } = target;
    return RawSession.connect({ url: websocket, token: token.value, device, client: 'millrace-cli', timers, onClose });
  };
}
