import {
  err,
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
import type { AnyReply } from '../actor-calls.ts';
import type { ConversationHead } from '../conversation/commands.ts';
import type { NodeQuestion } from './node-messages.ts';

/** In order of the conversations; null for one that does not exist, or that the user never was in. */
export type HeadsFound = Result<ReadonlyMap<ConversationId, ConversationHead | null>, FrameError>;

/** `not_here` where the partition is not (or not any more) on the node that was asked. */
export type HeadHere = ConversationHead | null | 'not_here';

/** By conversation. */
export type HeadsHere = readonly HeadHere[];

export interface HeadsParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly timers: Timers;
  partitionOf(this: void, key: ActorKey): PartitionId;
  ownerOf(this: void, partition: PartitionId): NodeId | null;
  ask(this: void, msMax: number, to: NodeId, question: NodeQuestion): Promise<AnyReply | null>;
  /** Of a partition of this node: at once where the conversation rests, which most do. */
  here(this: void, partition: PartitionId, conversation: ConversationId, user: UserId): HeadHere | Promise<HeadHere>;
}

const isTold = (each: HeadHere | Promise<HeadHere>): each is HeadHere => !(each instanceof Promise);

/** In one question. */
const CONVERSATIONS_MAX = 1_000;
const ANSWER_MS_MAX = 3_000;
const RETRY_MS = 50;
const WAIT_MS_MAX = 10_000;

/**
 * Where many conversations stand for one user: one question to each node that owns any of them, and none of them need come
 * into memory for it. What a node does not own any more is asked of its next owner.
 */
export class Heads {
  readonly #parts: HeadsParts;

  constructor(parts: HeadsParts) {
    this.#parts = parts;
  }

  async of(user: UserId, conversations: readonly ConversationId[]): Promise<HeadsFound> {
    const { clock, timers } = this.#parts;
    const found = new Map<ConversationId, ConversationHead | null>();
    const untilMs = clock.monotonicMs() + WAIT_MS_MAX;
    for (let left = conversations; left.length > 0; left = left.filter((each) => !found.has(each))) {
      const questions = this.#byOwner(left).map(async ([owner, theirs]) => {
        const answers = await this.#askOne(owner, user, theirs);
        answers.forEach((answer, at) => {
          const conversation = theirs[at];
          if (conversation !== undefined && answer !== 'not_here') found.set(conversation, answer);
        });
      });
      await Promise.all(questions);
      if (left.every((each) => found.has(each))) break;
      if (clock.monotonicMs() >= untilMs) {
        return err(frameError('unavailable', 'the partition of a conversation has no owner at the moment; try again'));
      }
      await new Promise<void>((resolve) => {
        timers.after(RETRY_MS, resolve);
      });
    }
    return ok(found);
  }

  /** What another node, or this one, asks of conversations here. */
  async here(user: UserId, conversations: readonly ConversationId[]): Promise<HeadsHere> {
    const { partitionOf } = this.#parts;
    // In one turn, so that the store is asked for all of them together.
    const told = conversations.map((each) => this.#parts.here(partitionOf(conversationKey(each)), each, user));
    return told.every(isTold) ? told : Promise.all(told.map((each) => Promise.resolve(each)));
  }

  #byOwner(conversations: readonly ConversationId[]): readonly (readonly [NodeId, readonly ConversationId[]])[] {
    const { partitionOf, ownerOf } = this.#parts;
    const byOwner = new Map<NodeId, ConversationId[]>();
    for (const conversation of conversations) {
      const owner = ownerOf(partitionOf(conversationKey(conversation)));
      if (owner === null) continue;
      const list = byOwner.get(owner) ?? [];
      byOwner.set(owner, list);
      if (list.length < CONVERSATIONS_MAX) list.push(conversation);
    }
    return [...byOwner];
  }

  async #askOne(owner: NodeId, user: UserId, conversations: readonly ConversationId[]): Promise<HeadsHere> {
    if (owner === this.#parts.self) return this.here(user, conversations);
    const answer = await this.#parts.ask(ANSWER_MS_MAX, owner, { q: 'heads', user, conversations });
    // Gone, or of a version that does not know the question: another owner may answer it.
    return answer?.ok === true ? (answer.value as HeadsHere) : [];
  }
}
