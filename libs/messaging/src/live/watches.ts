import {
  addTo,
  isLobbyId,
  type ConversationId,
  type NodeId,
  type PartitionId,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import type { LivePort, UserPush } from '../chat-service.ts';
import type { WatchState } from '../conversation/commands.ts';
import type { LobbyHere } from '../lobby/lobby-facts.ts';
import type { WatchNote } from './live-source.ts';
import { mayBeRead } from './read-news.ts';
import { Watch, type LiveStep } from './watch.ts';

/** One conversation that a node watches, or is about to, and users with sockets there who may be in it. */
export interface WatchAsked {
  readonly conversation: ConversationId;
  readonly users: readonly UserId[];
  /** Of a lobby, who has it open here. */
  readonly lobby?: LobbyHere;
}

/** `not_owner`: it does not live there. `none`: there is nothing to watch. `later`: it could not be asked now. */
export type WatchAnswer = WatchState | 'not_owner' | 'none' | 'later';

export interface WatchesParts {
  readonly timers: Timers;
  readonly port: LivePort;
  partitionOf(conversation: ConversationId): PartitionId;
  /** The run that owns the partition, as far as is known here. */
  ownerOf(partition: PartitionId): NodeId | null;
  /** Whether the user has a socket here; of a lobby, one that has it open. */
  isHere(user: UserId, conversation?: ConversationId): boolean;
  /** What the owner of a lobby is told with each question; undefined for any other conversation. */
  lobbyHere(conversation: ConversationId): LobbyHere | undefined;
  /** What the owner has answered, before it is told. */
  answered(conversation: ConversationId, state: WatchState): void;
  /** One answer for each, in order; null when there is none in time. From the answer on this node is told of entries. */
  ask(owner: NodeId, watches: readonly WatchAsked[]): Promise<readonly WatchAnswer[] | null>;
  /** Nobody here is in them any more. May be lost. */
  unask(owner: NodeId, conversations: readonly ConversationId[]): void;
  /** The conversations in read mode that the user is in, by the user; null when they cannot be asked. */
  readModeOf(user: UserId): Promise<readonly ConversationId[] | null>;
}

interface Watched {
  readonly conversation: ConversationId;
  readonly watch: Watch;
  /** Asked of this run last. */
  owner: NodeId | null;
  isAsking: boolean;
  /** The owner does not know yet who is here. */
  isUntold: boolean;
}

/** How long questions gather: so many users may come within it, and are asked about together. */
const GATHER_MS = 10;
const RETRY_MS = 200;
/** Of one message; conversations count as one user each. */
const ASKED_PER_MESSAGE = 5_000;
/** Within this a node says again what it watches, and hears where that stands; a third of the lease that it is given. */
const RENEW_MS = 30_000;
export const WATCH_LEASE_MS = 3 * RENEW_MS;
/** How late an entry may come that its owner has spoken of. */
const LATE_MS_MAX = 1_000;

/**
 * The conversations in read mode that users with sockets on this node are in.
 *
 * (L1) What the owner of a conversation is asked about gathers for some milliseconds and goes as one message to each
 *      owner, however many users come at once; of one conversation one question is under way at a time.
 * (L2) Whenever the owner is another run than the one that was asked last, or something that it said may be lost, it is
 *      asked anew, and everybody here is told where the conversation stands (W3). It is asked from time to time anyway:
 *      the last entry before a silence leaves no gap to see.
 * (L3) Nothing is kept of a conversation that nobody here is in (I9).
 */
export class Watches {
  readonly #parts: WatchesParts;
  readonly #watched = new Map<ConversationId, Watched>();
  readonly #byUser = new Map<UserId, Set<ConversationId>>();
  readonly #due = new Set<Watched>();
  #isGathering = false;
  #isStopped = false;

  constructor(parts: WatchesParts) {
    this.#parts = parts;
    this.#renewLater();
  }

  /** Conversations. */
  get size(): number {
    return this.#watched.size;
  }

  /** Whether the user is known to be in it, and it is in read mode. */
  isIn(user: UserId, conversation: ConversationId): boolean {
    return this.#watched.get(conversation)?.watch.isIn(user) === true;
  }

  /** The user may be in these, and they may be in read mode: the owners know. */
  want(user: UserId, conversations: Iterable<ConversationId>): void {
    for (const conversation of conversations) {
      if (!this.#parts.isHere(user, conversation)) continue;
      const watched = this.#watchedOf(conversation);
      if (isLobbyId(conversation)) watched.isUntold = true;
      if (watched.watch.want(user)) this.#link(user, conversation);
      else if (!watched.isUntold) continue;
      this.#askSoon(watched);
    }
  }

  /** Something came into the inbox of a user with sockets here: they may have come into a conversation, or it into read mode. */
  pushed(user: UserId, push: UserPush): void {
    if (!this.#parts.isHere(user)) return;
    const conversations = mayBeRead(user, push);
    if (conversations.length > 0) this.want(user, conversations);
  }

  /** The inbox of the user may lack that they came into a conversation. */
  async refresh(user: UserId): Promise<void> {
    while (this.#parts.isHere(user) && !this.#isStopped) {
      const conversations = await this.#parts.readModeOf(user);
      if (conversations !== null) {
        this.want(user, conversations);
        return;
      }
      await new Promise<void>((resolve) => {
        this.#parts.timers.after(RETRY_MS, resolve);
      });
    }
  }

  /** The user's last socket here is gone. */
  detach(user: UserId): void {
    const conversations = this.#byUser.get(user) ?? [];
    this.#byUser.delete(user);
    for (const conversation of conversations) this.#detach(user, conversation);
  }

  /** The user has this one open here no more. */
  leave(user: UserId, conversation: ConversationId): void {
    const theirs = this.#byUser.get(user);
    if (theirs?.delete(conversation) === true && theirs.size === 0) this.#byUser.delete(user);
    this.#detach(user, conversation);
  }

  #detach(user: UserId, conversation: ConversationId): void {
    const watched = this.#watched.get(conversation);
    if (watched?.watch.forget(user) === true) this.#parts.port.left(conversation, [user]);
    if (watched !== undefined) this.#endIfEmpty(watched);
  }

  /** The run that is asked about it, if there is one. */
  ownerAsked(conversation: ConversationId): NodeId | null {
    return this.#watched.get(conversation)?.owner ?? null;
  }

  /** What the owner of a conversation tells whoever watches it. */
  heard(from: NodeId, event: WatchNote): void {
    if (event.n === 'again') {
      this.#doubtAll(({ conversation, owner }) => owner === from && event.conversations.includes(conversation));
      return;
    }
    const watched = this.#watched.get(event.conversation);
    if (watched?.owner !== from) {
      // Whoever has it now was asked, or will be; the one before need not go on.
      this.#parts.unask(from, [event.conversation]);
    } else if (event.n === 'over') this.#end(watched);
    else this.#carryOut(watched, watched.watch.note(event));
  }

  /**
   * The owners may have changed.
   *
   * @param skipped - a view was never seen here: an owner that is the same again may have been none in between.
   */
  follow(skipped: boolean): void {
    this.#doubtAll(({ conversation, owner }) => skipped || owner !== this.#ownerOf(conversation));
  }

  /** Something that this run said was lost. */
  missed(owner: NodeId): void {
    this.#doubtAll((watched) => watched.owner === owner);
  }

  stop(): void {
    this.#isStopped = true;
    this.#due.clear();
  }

  #doubtAll(isMeant: (watched: Watched) => boolean): void {
    for (const watched of this.#watched.values()) if (isMeant(watched)) this.#doubt(watched);
  }

  #doubt(watched: Watched): void {
    watched.watch.doubt();
    this.#askSoon(watched);
  }

  #ownerOf(conversation: ConversationId): NodeId | null {
    return this.#parts.ownerOf(this.#parts.partitionOf(conversation));
  }

  #watchedOf(conversation: ConversationId): Watched {
    const known = this.#watched.get(conversation);
    if (known !== undefined) return known;
    const watch = new Watch((user) => this.#parts.isHere(user, conversation));
    const watched: Watched = { conversation, watch, owner: null, isAsking: false, isUntold: false };
    this.#watched.set(conversation, watched);
    return watched;
  }

  /** @param isTold - whether they come from entries, which tell those who leave that they do. */
  #carryOut(watched: Watched, steps: readonly LiveStep[], isTold = true): void {
    const { conversation, watch } = watched;
    const { port } = this.#parts;
    const { head } = watch;
    for (const step of steps) {
      if (step.do === 'live') port.live(conversation, step);
      else if (step.do === 'left') {
        for (const user of step.users) this.#unlink(user, conversation);
        if (!isTold && isLobbyId(conversation)) port.gone(conversation, step.users);
        port.left(conversation, step.users);
      } else if (head !== null && step.do === 'entered') {
        for (const user of step.users) this.#link(user, conversation);
        port.entered(conversation, step.users, head, step.since);
      } else if (head !== null) port.stands(conversation, head);
    }
    if (this.#endIfEmpty(watched)) return;
    if (watch.isInDoubt || steps.some((step) => step.do === 'left')) this.#askSoon(watched);
    if (!watch.isInDoubt && head !== null) port.at(conversation, head);
  }

  #link(user: UserId, conversation: ConversationId): void {
    const theirs = this.#byUser.get(user);
    if (theirs === undefined) this.#byUser.set(user, new Set([conversation]));
    else theirs.add(conversation);
  }

  #unlink(user: UserId, conversation: ConversationId): void {
    if (this.#watched.get(conversation)?.watch.has(user) === true) return;
    const theirs = this.#byUser.get(user);
    if (theirs?.delete(conversation) === true && theirs.size === 0) this.#byUser.delete(user);
  }

  #endIfEmpty(watched: Watched): boolean {
    if (!watched.watch.isEmpty) return false;
    this.#forget(watched);
    if (watched.owner !== null) this.#parts.unask(watched.owner, [watched.conversation]);
    return true;
  }

  /** Its entries come by inboxes from here on, or it does not exist. */
  #end(watched: Watched, isGone = false): void {
    const { conversation, watch } = watched;
    const users = [...watch.users];
    this.#forget(watched);
    if (isGone && isLobbyId(conversation)) this.#parts.port.gone(conversation, users);
    this.#parts.port.over(conversation);
  }

  #forget(watched: Watched): void {
    const { conversation, watch } = watched;
    if (this.#watched.get(conversation) === watched) this.#watched.delete(conversation);
    this.#due.delete(watched);
    for (const user of watch.users) this.#unlink(user, conversation);
  }

  // ---------------------------------------------------------------------------------------------------- asking

  #askLater(watched: Watched): void {
    this.#parts.timers.after(RETRY_MS, () => {
      if (this.#watched.get(watched.conversation) === watched) this.#askSoon(watched);
    });
  }

  #askSoon(watched: Watched): void {
    this.#due.add(watched);
    if (this.#isGathering || this.#isStopped) return;
    this.#isGathering = true;
    this.#parts.timers.after(GATHER_MS, () => {
      this.#isGathering = false;
      this.#askAll();
    });
  }

  #askAll(): void {
    if (this.#isStopped) return;
    const due = [...this.#due];
    this.#due.clear();
    const byOwner = new Map<NodeId, Watched[]>();
    for (const watched of due) {
      if (watched.isAsking) continue;
      const owner = this.#ownerOf(watched.conversation);
      if (owner === null) this.#askLater(watched);
      else addTo(byOwner, owner, watched);
    }
    for (const [owner, theirs] of byOwner) this.#askOwner(owner, theirs, false);
  }

  #askOwner(owner: NodeId, all: readonly Watched[], isLook: boolean): void {
    let batch: { readonly watched: Watched; readonly asked: WatchAsked }[] = [];
    let size = 0;
    const send = (): void => {
      if (batch.length > 0) void this.#askBatch(owner, batch);
      [batch, size] = [[], 0];
    };
    for (const watched of all) {
      const { conversation, watch } = watched;
      if (watched.owner !== null && watched.owner !== owner) watch.doubt();
      const question = (isLook ? null : watch.question()) ?? (isLook || watched.isUntold ? watch.look() : null);
      if (question === null) continue;
      watched.isUntold = false;
      watched.owner = owner;
      watched.isAsking = true;
      const lobby = this.#parts.lobbyHere(conversation);
      batch.push({ watched, asked: { conversation, users: question.users, ...(lobby && { lobby }) } });
      size += 1 + question.users.length + (lobby?.present.length ?? 0);
      if (size >= ASKED_PER_MESSAGE) send();
    }
    send();
  }

  async #askBatch(
    owner: NodeId,
    batch: readonly { readonly watched: Watched; readonly asked: WatchAsked }[],
  ): Promise<void> {
    const answers = await this.#parts.ask(
      owner,
      batch.map(({ asked }) => asked),
    );
    for (const [index, { watched }] of batch.entries()) this.#answered(watched, answers?.[index] ?? 'later');
  }

  #answered(watched: Watched, answer: WatchAnswer): void {
    watched.isAsking = false;
    // Everybody has gone, or it is over, while it was asked about.
    if (this.#watched.get(watched.conversation) !== watched) {
      if (!this.#watched.has(watched.conversation) && watched.owner !== null)
        this.#parts.unask(watched.owner, [watched.conversation]);
      return;
    }
    const { watch } = watched;
    if (answer === 'later' || answer === 'not_owner') {
      watch.unanswered();
      watched.isUntold = isLobbyId(watched.conversation);
      if (answer === 'not_owner') watch.doubt();
      this.#askLater(watched);
    } else if (answer === 'none' || answer.mode === 'write') this.#end(watched, answer === 'none');
    else {
      this.#parts.answered(watched.conversation, answer);
      this.#carryOut(watched, watch.answered(answer), false);
      if (watch.isBehind) this.#lookAgain(watched);
      if (this.#watched.get(watched.conversation) === watched) this.#askSoon(watched);
    }
  }

  /** An entry that the owner has spoken of is on its way, as a rule. */
  #lookAgain(watched: Watched): void {
    this.#parts.timers.after(LATE_MS_MAX, () => {
      if (this.#watched.get(watched.conversation) === watched && watched.watch.isBehind) this.#doubt(watched);
    });
  }

  #renewLater(): void {
    this.#parts.timers.after(RENEW_MS, () => {
      if (this.#isStopped) return;
      const byOwner = new Map<NodeId, Watched[]>();
      for (const watched of this.#watched.values()) {
        const owner = this.#ownerOf(watched.conversation);
        if (owner !== null && !watched.isAsking) addTo(byOwner, owner, watched);
      }
      for (const [owner, theirs] of byOwner) this.#askOwner(owner, theirs, true);
      this.#renewLater();
    });
  }
}
