import {
  directConversationId,
  err,
  ok,
  type NodeId,
  type PartitionId,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import { frameError, type FrameError, type PresenceState } from '@millrace/protocol';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';

export interface PresenceParts {
  readonly timers: Timers;
  partitionOf(this: void, user: UserId): PartitionId;
  /** The run that owns the partition, as far as is known here; null for none. */
  ownerOf(this: void, partition: PartitionId): NodeId | null;
  readonly self: NodeId;
  /** Whether the partition is on this node. */
  hosts(this: void, partition: PartitionId): boolean;
  /** What knows of sockets: this node's own, and as their owner those of its users on other nodes. */
  sockets(this: void): readonly { has(user: UserId): boolean }[];
  ask(this: void, msMax: number, to: NodeId, question: PresenceQuestion): Promise<AnyReply | null>;
  /** To the sessions here that watch these users. */
  readonly pushPort: { presence(states: readonly PresenceState[]): void };
}

/** Answered by the users' owner: whether each has a socket; null for one whose owner that node is not. */
export interface PresenceQuestion {
  readonly q: 'presence';
  readonly users: readonly UserId[];
}
export type PresenceAnswer = readonly (boolean | null)[];

interface Watched {
  /** As it was told last; null before. */
  told: boolean | null;
  /** How often in a row the user was found to be offline since they were told to be online. */
  misses: number;
}

/** From one look to the next. */
const LOOK_MS = 2_000;
/** From the first user that is watched anew to the first look at them, so that many are looked at together. */
const GATHER_MS = 50;
const ANSWER_MS_MAX = 1_500;
/** Users in one question to a node. */
const QUESTION_MAX = 1_000;
/** A user who was online is offline when they were not found so often: a reconnect, or a move of their owner, is no news. */
const MISSES = 2;

/**
 * Whether users are online, for the sessions here that watch them. Nothing is stored and nothing registered elsewhere: the
 * owners of the watched users, who know where their sockets are, are asked every two seconds, each once for all of theirs.
 * So whatever is lost, moves or dies is right again with the next looks.
 *
 * (W1) What changed is told, and nothing else; who is watched anew is told of once.
 * (W2) While an owner does not answer, or there is none, what was told stays.
 */
export class Presence {
  readonly #parts: PresenceParts;
  readonly #watched = new Map<UserId, Watched>();
  #cancel: (() => void) | null = null;
  #isLooking = false;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  /** Users that are watched here. */
  get size(): number {
    return this.#watched.size;
  }

  watch(user: UserId): void {
    if (this.#watched.has(user)) return;
    this.#watched.set(user, { told: null, misses: 0 });
    this.#lookIn(GATHER_MS);
  }

  unwatch(user: UserId): void {
    this.#watched.delete(user);
    if (this.#watched.size > 0) return;
    this.#cancel?.();
    this.#cancel = null;
  }

  /** As the owner of the users. */
  answer(users: readonly UserId[]): PresenceAnswer {
    const { partitionOf, hosts, sockets } = this.#parts;
    const known = sockets();
    return users.map((user) => (hosts(partitionOf(user)) ? known.some((each) => each.has(user)) : null));
  }

  #lookIn(ms: number): void {
    // A look under way is followed by the next one.
    if (this.#isLooking) return;
    this.#cancel?.();
    this.#cancel = this.#parts.timers.after(ms, () => {
      this.#cancel = null;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const found = await Promise.all(this.#questions().map((question) => this.#asked(...question)));
    this.#isLooking = false;
    const changed = found.flat().filter(({ user, online }) => this.#isNews(user, online));
    if (changed.length > 0) this.#parts.pushPort.presence(changed);
    const hasNew = [...this.#watched.values()].some(({ told }) => told === null);
    if (this.#watched.size > 0) this.#lookIn(hasNew ? LOOK_MS / 4 : LOOK_MS);
  }

  /** Whom to ask of whom. */
  #questions(): readonly (readonly [NodeId, readonly UserId[]])[] {
    const { partitionOf, ownerOf } = this.#parts;
    const byOwner = new Map<NodeId, UserId[][]>();
    for (const user of this.#watched.keys()) {
      const owner = ownerOf(partitionOf(user));
      if (owner === null) continue;
      const lists = byOwner.get(owner) ?? [[]];
      byOwner.set(owner, lists);
      const last = lists.at(-1);
      if (last !== undefined && last.length < QUESTION_MAX) last.push(user);
      else lists.push([user]);
    }
    return [...byOwner].flatMap(([owner, lists]) => lists.map((users) => [owner, users] as const));
  }

  async #asked(owner: NodeId, users: readonly UserId[]): Promise<readonly PresenceState[]> {
    const answers = owner === this.#parts.self ? this.answer(users) : await this.#askedOf(owner, users);
    return users.flatMap((user, index) => {
      const online = answers[index] ?? null;
      return online === null ? [] : [{ user, online }];
    });
  }

  async #askedOf(owner: NodeId, users: readonly UserId[]): Promise<PresenceAnswer> {
    const reply = await this.#parts.ask(ANSWER_MS_MAX, owner, { q: 'presence', users });
    return reply?.ok === true ? (reply.value as PresenceAnswer) : [];
  }

  #isNews(user: UserId, online: boolean): boolean {
    const watched = this.#watched.get(user);
    if (watched === undefined) return false;
    watched.misses = online || watched.told !== true ? 0 : watched.misses + 1;
    if (watched.told === online || (watched.told === true && watched.misses < MISSES)) return false;
    watched.told = online;
    watched.misses = 0;
    return true;
  }
}

/** Whether a user may watch all of these: each shares a direct conversation with them, and has not blocked them. */
export async function mayWatch(
  calls: Pick<ActorCalls, 'conversation'>,
  by: UserId,
  users: readonly UserId[],
): Promise<Result<null, FrameError>> {
  if (users.includes(by)) return err(frameError('bad_request', 'nobody watches themselves: give other users'));
  const answers = await Promise.all(
    users.map((user) => calls.conversation(directConversationId(by, user), { t: 'mayWatch', by })),
  );
  return answers.find(({ ok: isAllowed }) => !isAllowed) ?? ok(null);
}
