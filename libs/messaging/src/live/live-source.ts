import type { Clock, ConversationId, NodeId, PartitionId, Timers } from '@millrace/kernel';
import type { NodeAnswer } from '../cluster/node-messages.ts';
import type { WatchState } from '../conversation/commands.ts';
import type { Effect } from '../effects.ts';
import { liveEvents, type LiveEvent } from './live-notes.ts';
import { Watchers } from './watchers.ts';
import { WATCH_LEASE_MS, type WatchAnswer, type WatchAsked } from './watches.ts';

/** What a node is told that watches. `again`: it may have missed something of these, and has to ask. */
export type WatchNote = LiveEvent | { readonly n: 'again'; readonly conversations: readonly ConversationId[] };

export interface LiveSourceParts {
  readonly clock: Clock;
  readonly timers: Timers;
  partitionOf(conversation: ConversationId): PartitionId;
  /** Whether this node owns the partition, or is about to. */
  has(partition: PartitionId): boolean;
  /** A {@link WatchState} of a conversation that lives here. It may be answered before this returns. */
  ask(from: NodeId, asked: WatchAsked, partition: PartitionId, answer: (outcome: NodeAnswer) => void): void;
  tellAll(nodes: readonly NodeId[], note: WatchNote): void;
  /** How much of what may wait for that node does, 0..1. */
  backlog(node: NodeId): number;
}

const SWEEP_MS = 30_000;
/** With so much waiting for a node, entries are left out before anything else is lost. */
const SHED_BACKLOG = 0.25;
/** With so little it is told what it lacks. */
const RESUME_BACKLOG = 0.125;
const RESUME_MS = 100;

/**
 * Brings the entries of conversations that live here, as they are stored, to the nodes that watch them.
 *
 * (Q1) A node is told of each entry of a conversation in read mode once, after the commit (I1), behind the answer to its
 *      question: one message for a commit, however many of the members have sockets there.
 * (Q2) What a node that does not keep up is not told, it is told of by `again`, once there is room (I9).
 */
export class LiveSource {
  readonly watchers = new Watchers();
  readonly #parts: LiveSourceParts;
  /** By node, of which conversations something was left out. */
  readonly #shed = new Map<NodeId, Set<ConversationId>>();
  #isResuming = false;
  #isStopped = false;

  constructor(parts: LiveSourceParts) {
    this.#parts = parts;
    this.#sweepLater();
  }

  /** A node asks where these stand and who is in them, and to be told of what comes behind the answer. */
  asked(from: NodeId, watches: readonly WatchAsked[], answer: (answers: readonly WatchAnswer[]) => void): void {
    const answers = new Array<WatchAnswer>(watches.length).fill('later');
    let left = watches.length;
    const done = (index: number, outcome: WatchAnswer): void => {
      answers[index] = outcome;
      left -= 1;
      if (left === 0) answer(answers);
    };
    if (left === 0) answer([]);
    const untilMs = this.#parts.clock.monotonicMs() + WATCH_LEASE_MS;
    for (const [index, asked] of watches.entries()) {
      const { conversation } = asked;
      const partition = this.#parts.partitionOf(conversation);
      if (!this.#parts.has(partition)) {
        done(index, 'not_owner');
        continue;
      }
      // Before the conversation is asked: whatever comes behind its answer is told.
      this.watchers.add(conversation, from, untilMs);
      this.#parts.ask(from, asked, partition, (outcome) => {
        done(index, this.#judge(from, conversation, outcome));
      });
    }
  }

  #judge(from: NodeId, conversation: ConversationId, outcome: NodeAnswer): WatchAnswer {
    if (outcome === 'not_owner') return outcome;
    if (!outcome.ok && outcome.error.code !== 'not_found') return 'later';
    const state = outcome.ok ? (outcome.value as WatchState) : null;
    if (state?.mode === 'read') return state;
    this.watchers.remove(conversation, from);
    return state ?? 'none';
  }

  unasked(from: NodeId, conversations: readonly ConversationId[]): void {
    for (const conversation of conversations) this.watchers.remove(conversation, from);
  }

  /** Effects of a commit, in the order of commits. */
  told(effects: readonly Effect[]): void {
    if (this.watchers.size === 0) return;
    for (const event of liveEvents(effects, (conversation) => this.watchers.has(conversation))) {
      const nodes = event.n === 'over' ? this.watchers.end(event.conversation) : this.watchers.of(event.conversation);
      const ready = event.n === 'over' ? nodes : nodes.filter((node) => this.#hasRoom(node, event.conversation));
      if (ready.length > 0) this.#parts.tellAll(ready, event);
    }
  }

  /** The partition was claimed, perhaps once more: commits may have been stored that nobody was told of. */
  claimed(partition: PartitionId): void {
    const isMeant = (conversation: ConversationId): boolean => this.#parts.partitionOf(conversation) === partition;
    for (const [node, conversations] of this.watchers.byNode(isMeant)) {
      this.#parts.tellAll([node], { n: 'again', conversations });
    }
  }

  forgetNode(node: NodeId): void {
    this.watchers.forgetNode(node);
    this.#shed.delete(node);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #hasRoom(node: NodeId, conversation: ConversationId): boolean {
    const shed = this.#shed.get(node);
    if (shed === undefined && this.#parts.backlog(node) <= SHED_BACKLOG) return true;
    if (shed === undefined) this.#shed.set(node, new Set([conversation]));
    else shed.add(conversation);
    this.#resumeLater();
    return false;
  }

  #resumeLater(): void {
    if (this.#isResuming) return;
    this.#isResuming = true;
    this.#parts.timers.after(RESUME_MS, () => {
      this.#isResuming = false;
      if (this.#isStopped) return;
      for (const [node, conversations] of [...this.#shed]) {
        if (this.#parts.backlog(node) > RESUME_BACKLOG) continue;
        this.#shed.delete(node);
        this.#parts.tellAll([node], { n: 'again', conversations: [...conversations] });
      }
      if (this.#shed.size > 0) this.#resumeLater();
    });
  }

  #sweepLater(): void {
    this.#parts.timers.after(SWEEP_MS, () => {
      if (this.#isStopped) return;
      this.watchers.sweep(this.#parts.clock.monotonicMs());
      this.#sweepLater();
    });
  }
}
