import type { DeviceId, UserId } from '@millrace/kernel';
import type { Arrival, SessionInfo, SessionPort, UserPush, UserPushPort } from '@millrace/messaging';
import type { PresenceState, Receipt, Receipts, Resync, TypingNotice } from '@millrace/protocol';
import { PresenceWatch } from './presence-watch.ts';
import type { Session } from './session.ts';

const NOBODY: readonly Session[] = [];

/** Which sessions of which users are here: where pushes go. */
export class SessionRegistry implements UserPushPort, SessionPort {
  /** Who watches whom. */
  readonly presenceWatch: PresenceWatch;
  /** Each list is replaced, never changed: who goes through one is not disturbed by a session that ends. */
  readonly #byUser = new Map<UserId, readonly Session[]>();
  #size = 0;

  constructor(chat: ConstructorParameters<typeof PresenceWatch>[0]) {
    this.presenceWatch = new PresenceWatch(chat);
  }

  /** Sessions of all users. */
  get size(): number {
    return this.#size;
  }

  get users(): number {
    return this.#byUser.size;
  }

  add(session: Session): void {
    const sessions = this.of(session.user);
    this.#byUser.set(session.user, sessions.length === 0 ? [session] : [...sessions, session]);
    this.#size += 1;
  }

  /** @returns whether it was the user's last one here. */
  remove(session: Session): boolean {
    const sessions = this.of(session.user);
    if (!sessions.includes(session)) return false;
    this.presenceWatch.ended(session);
    this.#size -= 1;
    const others = sessions.filter((each) => each !== session);
    if (others.length > 0) this.#byUser.set(session.user, others);
    else this.#byUser.delete(session.user);
    return others.length === 0;
  }

  count(user: UserId): number {
    return this.of(user).length;
  }

  of(user: UserId): readonly Session[] {
    return this.#byUser.get(user) ?? NOBODY;
  }

  /** The user's session on that device, if there is one. */
  on(user: UserId, device: DeviceId): Session | undefined {
    return this.of(user).find((session) => session.device === device);
  }

  *all(): IterableIterator<Session> {
    for (const sessions of this.#byUser.values()) yield* sessions;
  }

  list(user: UserId): readonly SessionInfo[] {
    return this.of(user).map(({ id, device, client, ip, sinceMs }) => ({
      session: id,
      device,
      client,
      ip,
      since: sinceMs,
    }));
  }

  kick(user: UserId, id?: string): number {
    const sessions = this.of(user).filter((session) => id === undefined || session.id === id);
    for (const session of sessions) session.close('revoked', 'this session was ended by the operator');
    return sessions.length;
  }

  arrivals(user: UserId): readonly { readonly device: DeviceId; readonly arrival: Arrival }[] {
    return this.of(user).flatMap(({ device, arrival }) => (arrival === null ? [] : [{ device, arrival }]));
  }

  replace(user: UserId, device: DeviceId, arrival: Arrival): Arrival | null {
    return this.on(user, device)?.replace(arrival) ?? null;
  }

  push(user: UserId, push: UserPush): void {
    for (const session of this.of(user)) session.push(push);
  }

  receipt(users: readonly UserId[], receipt: Omit<Receipt, 't'>): void {
    this.#notice(users, (session) => {
      session.notice({ t: 'receipt', ...receipt });
    });
  }

  receipts(users: readonly UserId[], receipts: Omit<Receipts, 't'>): void {
    this.#notice(users, (session) => {
      session.notice({ t: 'receipts', ...receipts });
    });
  }

  presence(states: readonly PresenceState[]): void {
    this.presenceWatch.told(states);
  }

  typing(users: readonly UserId[], notice: Omit<TypingNotice, 't'>): void {
    this.#notice(users, (session) => {
      session.notice({ t: 'typing', ...notice });
    });
  }

  resync(user: UserId, reason: Resync['reason']): void {
    for (const session of this.of(user)) session.resync(reason);
  }

  #notice(users: readonly UserId[], tell: (session: Session) => void): void {
    for (const user of users) for (const session of this.of(user)) tell(session);
  }
}
