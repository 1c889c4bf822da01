import type { ConversationId, NodeId, PartitionId, Result, Timers, UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import { userKey, type ActorKey } from '@millrace/timeline';
import type { UserPushPort } from '../chat-service.ts';
import type { LatestReceipts } from '../conversation/commands.ts';
import type { Effect } from '../effects.ts';
import type { Interest } from './interest.ts';
import type { NodeNote, Notice } from './node-messages.ts';
import { ReceiptDigests } from './receipt-digests.ts';

export interface NewsParts {
  readonly self: NodeId;
  readonly timers: Timers;
  readonly pushPort: UserPushPort;
  /** Told of what comes to sockets here, behind them. */
  toldHere(this: void, note: Extract<NodeNote, { n: 'push' | 'broken' }>): void;
  readonly interest: Interest;
  partitionOf(this: void, key: ActorKey): PartitionId;
  ownerOf(this: void, partition: PartitionId): NodeId | null;
  tellAll(this: void, nodes: Iterable<NodeId>, note: NodeNote): void;
  latestReceipts(this: void, conversation: ConversationId): Promise<Result<LatestReceipts, FrameError>>;
}

/**
 * Brings what actors want told to the sockets, here and on other nodes.
 *
 * Inbox news come from the user's own actor, whose node knows which nodes hold sockets of the user. Notices (receipts,
 * typing) come from a conversation: they go by way of the users' owners, one message a node, and may be lost.
 */
export class News {
  readonly #parts: NewsParts;
  readonly #digests: ReceiptDigests;

  constructor(parts: NewsParts) {
    this.#parts = parts;
    this.#digests = new ReceiptDigests({
      timers: parts.timers,
      ask: parts.latestReceipts,
      tell: (users, notice) => {
        this.#notice(users, notice);
      },
    });
  }

  /** Nothing more is told of positions that moved. */
  stop(): void {
    this.#digests.stop();
  }

  /** Effects of a commit, in the order of commits. */
  told(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.e === 'inbox') this.#inbox({ n: 'push', user: effect.user, push: effect.push });
      else if (effect.e === 'broken') this.#inbox({ n: 'broken', user: effect.user });
      else if (effect.e === 'receipt') this.#notice(effect.users, { kind: 'receipt', receipt: effect.receipt });
      else if (effect.e === 'positions') this.#digests.moved(effect.conversation);
      else if (effect.e === 'typing') this.#notice(effect.users, { kind: 'typing', typing: effect.notice });
    }
  }

  /** What another node has told of users with sockets here, or of users that live here. */
  heard(note: Extract<NodeNote, { n: 'push' | 'broken' | 'relay' | 'tell' }>): void {
    if (note.n === 'relay') this.#relay(note.users, note.notice);
    else this.#here(note);
  }

  #here(note: Extract<NodeNote, { n: 'push' | 'broken' | 'tell' }>): void {
    const { pushPort } = this.#parts;
    if (note.n === 'push') pushPort.push(note.user, note.push);
    else if (note.n === 'broken') pushPort.resync(note.user, 'incomplete');
    else if (note.notice.kind === 'receipt') pushPort.receipt(note.users, note.notice.receipt);
    else if (note.notice.kind === 'receipts') pushPort.receipts(note.users, note.notice.receipts);
    else pushPort.typing(note.users, note.notice.typing);
    if (note.n !== 'tell') this.#parts.toldHere(note);
  }

  #inbox(note: Extract<NodeNote, { n: 'push' | 'broken' }>): void {
    this.#here(note);
    const nodes = this.#parts.interest.of(note.user);
    if (nodes !== undefined) this.#parts.tellAll(nodes, note);
  }

  /** To the owners of the users, each once. */
  #notice(users: readonly UserId[], notice: Notice): void {
    const { self, partitionOf, ownerOf, tellAll } = this.#parts;
    const byOwner = new Map<NodeId, UserId[]>();
    for (const user of users) {
      const owner = ownerOf(partitionOf(userKey(user))) ?? self;
      const list = byOwner.get(owner);
      if (list === undefined) byOwner.set(owner, [user]);
      else list.push(user);
    }
    for (const [owner, theirs] of byOwner) {
      if (owner === self) this.#relay(theirs, notice);
      else tellAll([owner], { n: 'relay', users: theirs, notice });
    }
  }

  /** To the sockets of users that live here, wherever those are. */
  #relay(users: readonly UserId[], notice: Notice): void {
    this.#here({ n: 'tell', users, notice });
    const byNode = new Map<NodeId, UserId[]>();
    for (const user of users) {
      for (const node of this.#parts.interest.of(user) ?? []) {
        const list = byNode.get(node);
        if (list === undefined) byNode.set(node, [user]);
        else list.push(user);
      }
    }
    for (const [node, theirs] of byNode) this.#parts.tellAll([node], { n: 'tell', users: theirs, notice });
  }
}
