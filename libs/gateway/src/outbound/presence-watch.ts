import { err, ok, type Result, type UserId } from '@millrace/kernel';
import type { ChatService } from '@millrace/messaging';
import { frameError, protocolLimits, type FrameError, type PresenceState } from '@millrace/protocol';
import type { Session } from './session.ts';

type Watcher = Pick<Session, 'principal' | 'isOpen' | 'notice'>;

interface Watched {
  readonly watchers: Set<Watcher>;
  /** Null until it was told. */
  online: boolean | null;
}

/** Different users that the sessions of one gateway watch. */
const WATCHED_MAX = 100_000;
const BUSY_MS = 500;

/**
 * Which sessions here watch which users' presence.
 *
 * (P1) The chat watches a user for as long as a session here does, once for all of them.
 * (P2) A session that could not take a notice gets all that it watches anew, as soon as it can.
 */
export class PresenceWatch {
  readonly #chat: Pick<ChatService, 'mayWatch' | 'watch' | 'unwatch'>;
  readonly #users = new Map<UserId, Watched>();
  readonly #bySession = new Map<Watcher, Set<UserId>>();
  readonly #asking = new Set<Watcher>();
  readonly #behind = new Set<Watcher>();

  constructor(chat: Pick<ChatService, 'mayWatch' | 'watch' | 'unwatch'>) {
    this.#chat = chat;
  }

  /** Different users that are watched. */
  get size(): number {
    return this.#users.size;
  }

  async subscribe(session: Watcher, users: readonly UserId[]): Promise<Result<null, FrameError>> {
    if (this.#asking.has(session)) {
      const message =
        'subscriptions to presence are looked at one after the other: wait for the answer to the last one';
      return err(frameError('overloaded', message, { retryAfterMs: BUSY_MS }));
    }
    const watched = this.#bySession.get(session) ?? new Set();
    const fresh = [...new Set(users)].filter((user) => !watched.has(user));
    if (watched.size + fresh.length > protocolLimits.presenceUsers) {
      const message = `a session watches at most ${String(protocolLimits.presenceUsers)} users: unsubscribe from some`;
      return err(frameError('limit_reached', message));
    }
    if (this.#users.size + fresh.length > WATCHED_MAX) {
      return err(frameError('overloaded', 'too many users are watched here', { retryAfterMs: 10 * BUSY_MS }));
    }
    this.#asking.add(session);
    try {
      const allowed = await this.#chat.mayWatch(session.principal, fresh);
      if (allowed.ok && session.isOpen) this.#add(session, watched, fresh);
      return allowed.ok ? ok(null) : allowed;
    } finally {
      this.#asking.delete(session);
    }
  }

  /** What is known of these already: for behind the answer to their subscription. */
  tellKnown(session: Watcher, users: readonly UserId[]): void {
    const states = [...new Set(users)].flatMap((user) => this.#stateOf(user));
    if (states.length > 0) this.#tell(session, states);
  }

  unsubscribe(session: Watcher, users: readonly UserId[]): void {
    const watched = this.#bySession.get(session);
    for (const user of users) if (watched?.delete(user) === true) this.#remove(session, user);
    if (watched?.size === 0) this.#bySession.delete(session);
  }

  ended(session: Watcher): void {
    for (const user of this.#bySession.get(session) ?? []) this.#remove(session, user);
    this.#bySession.delete(session);
    this.#behind.delete(session);
  }

  /** What has changed. One notice for each session that watches any of them. */
  told(states: readonly PresenceState[]): void {
    const news = new Map<Watcher, PresenceState[]>();
    for (const state of states) {
      const watched = this.#users.get(state.user);
      if (watched === undefined) continue;
      watched.online = state.online;
      for (const session of watched.watchers) {
        const list = news.get(session);
        if (list === undefined) news.set(session, [state]);
        else list.push(state);
      }
    }
    for (const [session, list] of news) this.#tell(session, list);
  }

  /** What time brings, every second or so. */
  tick(): void {
    for (const session of [...this.#behind]) {
      this.#behind.delete(session);
      this.tellKnown(session, [...(this.#bySession.get(session) ?? [])]);
    }
  }

  #stateOf(user: UserId): readonly PresenceState[] {
    const online = this.#users.get(user)?.online ?? null;
    return online === null ? [] : [{ user, online }];
  }

  #tell(session: Watcher, users: readonly PresenceState[]): void {
    if (this.#behind.has(session)) return;
    if (!session.notice({ t: 'presence', users })) this.#behind.add(session);
  }

  #add(session: Watcher, watched: Set<UserId>, users: readonly UserId[]): void {
    this.#bySession.set(session, watched);
    for (const user of users) {
      watched.add(user);
      const known = this.#users.get(user);
      if (known !== undefined) known.watchers.add(session);
      else {
        this.#users.set(user, { watchers: new Set([session]), online: null });
        this.#chat.watch(user);
      }
    }
  }

  #remove(session: Watcher, user: UserId): void {
    const watched = this.#users.get(user);
    if (watched?.watchers.delete(session) !== true || watched.watchers.size > 0) return;
    this.#users.delete(user);
    this.#chat.unwatch(user);
  }
}
