import type { ConversationId, UserId } from '@millrace/kernel';
import type { WatchState } from '../conversation/commands.ts';
import type { LobbyHere, LobbyTold } from './lobby-facts.ts';

interface Seats {
  /** Members that have it open on a device here, or are about to. */
  readonly users: Set<UserId>;
  /** As the owner told it last. */
  told: LobbyTold | null;
}

/**
 * The lobbies that devices on this node have open, and what is known of them here: enough for a new owner to begin them
 * anew with the same members.
 */
export class LobbySeats {
  readonly #lobbies = new Map<ConversationId, Seats>();

  /** Lobbies. */
  get size(): number {
    return this.#lobbies.size;
  }

  has(user: UserId, conversation: ConversationId): boolean {
    return this.#lobbies.get(conversation)?.users.has(user) === true;
  }

  /** @returns whether the user had none here. */
  add(user: UserId, conversation: ConversationId): boolean {
    const seats = this.#lobbies.get(conversation) ?? { users: new Set<UserId>(), told: null };
    this.#lobbies.set(conversation, seats);
    if (seats.users.has(user)) return false;
    seats.users.add(user);
    return true;
  }

  /** @returns whether the user had one. */
  remove(user: UserId, conversation: ConversationId): boolean {
    const seats = this.#lobbies.get(conversation);
    const had = seats?.users.delete(user) === true;
    if (seats?.users.size === 0) this.#lobbies.delete(conversation);
    return had;
  }

  end(conversation: ConversationId): void {
    this.#lobbies.delete(conversation);
  }

  /** What the owner is told whenever it is asked; undefined for what is no lobby here. */
  here(conversation: ConversationId): LobbyHere | undefined {
    const seats = this.#lobbies.get(conversation);
    return seats === undefined ? undefined : { present: [...seats.users], told: seats.told };
  }

  /** What the owner has answered: roles of those that it was not asked about stand. */
  answered(conversation: ConversationId, { lobby }: WatchState): void {
    const seats = this.#lobbies.get(conversation);
    if (seats === undefined || lobby === undefined) return;
    const roles = new Map(seats.told?.gen === lobby.gen ? seats.told.roles : []);
    for (const [user, role] of lobby.roles) roles.set(user, role);
    for (const user of roles.keys()) if (!seats.users.has(user)) roles.delete(user);
    seats.told = { ...lobby, roles: [...roles] };
  }
}
