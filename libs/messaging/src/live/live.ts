import {
  err,
  isLobbyId,
  ok,
  type Clock,
  type ConversationId,
  type NodeId,
  type PartitionId,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, type ActorKey } from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import type { LivePort } from '../chat-service.ts';
import type { NodeAnswer, NodeNote, NodeRequest } from '../cluster/node-messages.ts';
import type { PartitionHost } from '../cluster/partition-host.ts';
import type { Peers } from '../cluster/peers.ts';
import { LobbySeats } from '../lobby/lobby-seats.ts';
import { LiveSource, type WatchNote } from './live-source.ts';
import { readWatches } from './watch-request.ts';
import { Watches, type WatchAnswer, type WatchAsked } from './watches.ts';

export interface LiveParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly livePort: LivePort;
  readonly calls: ActorCalls;
  readonly peers: Pick<Peers, 'askWithin' | 'tellAll' | 'backlog'>;
  partitionOf(this: void, key: ActorKey): PartitionId;
  ownerOf(this: void, partition: PartitionId): NodeId | null;
  host(this: void): Pick<PartitionHost, 'has' | 'watch' | 'watchAtRest' | 'lobbies'>;
  isHere(this: void, user: UserId): boolean;
}

const ASK_MS_MAX = 5_000;

/** Conversations in read mode on this node: those that live here, and those that sockets here follow. */
export class Live {
  readonly source: LiveSource;
  readonly watches: Watches;
  /** Of devices on this node. */
  readonly seats = new LobbySeats();
  readonly #parts: LiveParts;

  constructor(parts: LiveParts) {
    const { self, clock, timers, livePort, calls, peers, ownerOf, host, isHere } = parts;
    this.#parts = parts;
    const partitionOf = (conversation: ConversationId): PartitionId => parts.partitionOf(conversationKey(conversation));
    this.source = new LiveSource({
      clock,
      timers,
      partitionOf,
      has: (partition) => host().has(partition),
      ask: (from, asked, partition, answer) => {
        const { conversation, users } = asked;
        const isLobby = isLobbyId(conversation);
        const told = isLobby ? null : host().watchAtRest(partition, conversation, users);
        if (told !== null) {
          answer(told);
          return;
        }
        const stored = (): Promise<NodeAnswer> => host().watch(partition, conversation, users);
        void (isLobby ? host().lobbies.watch(from, asked, stored) : stored()).then(answer);
      },
      tellAll: (nodes, note) => {
        this.#tellAll(nodes, note);
      },
      backlog: (node) => (node === self ? 0 : peers.backlog(node)),
    });
    this.watches = new Watches({
      timers,
      port: this.#portOver(livePort),
      partitionOf,
      ownerOf,
      isHere: (user, conversation) =>
        conversation !== undefined && isLobbyId(conversation) ? this.seats.has(user, conversation) : isHere(user),
      lobbyHere: (conversation) => this.seats.here(conversation),
      answered: (conversation, state) => {
        this.seats.answered(conversation, state);
      },
      ask: (owner, watches) => this.#ask(owner, watches),
      unask: (owner, conversations) => {
        if (owner === self) this.#unasked(self, conversations);
        else peers.tellAll([owner], { n: 'unwatch', conversations });
      },
      readModeOf: async (user) => {
        const attached = await calls.user(user, { t: 'attach' });
        if (!attached.ok) return null;
        // A node of a former version does not tell it, and has no conversations in read mode.
        const told: { readonly readMode?: readonly ConversationId[] } = attached.value;
        return told.readMode ?? [];
      },
    });
  }

  /** Whether the user may open the conversation: who is a member may (I11). Its entries come from then on, at the latest. */
  async open(calls: ActorCalls, user: UserId, conversation: ConversationId): Promise<Result<null, FrameError>> {
    if (this.watches.isIn(user, conversation)) return ok(null);
    const state = await calls.conversation(conversation, { t: 'watch', users: [user] });
    if (!state.ok) return state;
    if (!state.value.members.includes(user)) {
      return err(frameError('not_member', `${user} is not a member of ${conversation}`));
    }
    if (state.value.mode === 'read') this.watches.want(user, [conversation]);
    return ok(null);
  }

  /** A device here is about to have the lobby open. @returns whether none of the user had it so far. */
  seat(user: UserId, lobby: ConversationId): boolean {
    return this.seats.add(user, lobby);
  }

  /** It has: whoever owns it is told who is here, and tells what comes. */
  seated(user: UserId, lobby: ConversationId): void {
    this.seats.add(user, lobby);
    this.watches.want(user, [lobby]);
  }

  /** No device of the user here has the lobby open any more. */
  unseat(user: UserId, lobby: ConversationId): void {
    if (!this.seats.remove(user, lobby)) return;
    const owner = this.watches.ownerAsked(lobby);
    const { self, host, peers } = this.#parts;
    if (owner === self) host().lobbies.away(self, lobby, user);
    else if (owner !== null) peers.tellAll([owner], { n: 'away', conversation: lobby, user });
    this.watches.leave(user, lobby);
  }

  /** What the sockets of a user here were told of the inbox. */
  toldHere(note: Extract<NodeNote, { n: 'push' | 'broken' }>): void {
    if (note.n === 'push') this.watches.pushed(note.user, note.push);
    else void this.watches.refresh(note.user);
  }

  /** What another node asks, or tells. */
  requested(from: NodeId, request: Extract<NodeRequest, { q: 'watch' }>, answer: (reply: AnyReply) => void): void {
    const watches = readWatches(request.watches);
    if (watches === null) {
      const message = `node ${from} asks to be told of conversations, and leaves out which or for whom: is its version known here?`;
      answer(err(frameError('bad_request', message)));
      return;
    }
    this.source.asked(from, watches, (answers) => {
      answer(ok(answers));
    });
  }

  heard(from: NodeId, note: WatchNote | Extract<NodeNote, { n: 'unwatch' | 'away' }>): void {
    if (note.n === 'unwatch') this.#unasked(from, note.conversations);
    else if (note.n === 'away') this.#parts.host().lobbies.away(from, note.conversation, note.user);
    else this.watches.heard(from, note);
  }

  /** A view is known: these partitions are this node's, those nodes have gone. */
  follow(mine: ReadonlySet<PartitionId>, gone: readonly NodeId[], skipped: boolean): void {
    this.source.watchers.keepOnly((conversation) => mine.has(this.#parts.partitionOf(conversationKey(conversation))));
    for (const node of gone) {
      this.source.forgetNode(node);
      this.#parts.host().lobbies.forgetNode(node);
    }
    this.watches.follow(skipped);
  }

  stop(): void {
    this.source.stop();
    this.watches.stop();
  }

  #ask(owner: NodeId, watches: readonly WatchAsked[]): Promise<readonly WatchAnswer[] | null> {
    const { self, peers } = this.#parts;
    if (owner === self) {
      return new Promise((resolve) => {
        this.source.asked(self, watches, resolve);
      });
    }
    return peers
      .askWithin(ASK_MS_MAX, owner, { q: 'watch', watches })
      .then((reply) => (reply?.ok === true ? (reply.value as readonly WatchAnswer[]) : null));
  }

  #unasked(from: NodeId, conversations: readonly ConversationId[]): void {
    this.source.unasked(from, conversations);
    this.#parts.host().lobbies.unwatched(from, conversations.filter(isLobbyId));
  }

  /** Who is not in a lobby any more has no seat there. */
  #portOver(port: LivePort): LivePort {
    return {
      entered: (...told) => {
        port.entered(...told);
      },
      live: (...told) => {
        port.live(...told);
      },
      at: (...told) => {
        port.at(...told);
      },
      stands: (...told) => {
        port.stands(...told);
      },
      left: (conversation, users) => {
        for (const user of users) this.seats.remove(user, conversation);
        port.left(conversation, users);
      },
      over: (conversation) => {
        this.seats.end(conversation);
        port.over(conversation);
      },
      gone: (conversation, users) => {
        port.gone(conversation, users);
      },
    };
  }

  #tellAll(nodes: readonly NodeId[], note: WatchNote): void {
    const { self, peers } = this.#parts;
    const others = nodes.filter((node) => node !== self);
    if (others.length > 0) peers.tellAll(others, note);
    if (others.length < nodes.length) this.watches.heard(self, note);
  }
}
