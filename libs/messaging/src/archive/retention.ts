import type { ArchiveStore } from '@millrace/archive';
import { sequenceId, type Clock, type ConversationId, type Timers } from '@millrace/kernel';
import type { PartitionLog, PartitionStore } from '@millrace/partition';
import { decodeEntry } from '@millrace/protocol';
import {
  conversationKey,
  keptFrom,
  revisionsKey,
  StoreUnavailable,
  type StoredConversations,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { KeptTiers } from '../conversation/commands.ts';
import { positionsOf, readDense } from '../sync/read-messages.ts';
import { dropBefore, HELD, type IsHeld } from './drop-before.ts';
import { retiredOf, tooOld, tooOldBeforeMs, type ReadEntry } from './retention-plan.ts';
import { Rounds, type RoundLimits } from './rounds.ts';

export interface RetentionLimits {
  /** For how many days entries are kept, where a conversation does not say less; 0: for ever. */
  readonly days: number;
  readonly rounds: RoundLimits;
  /** Entries that are read together, and that leave a conversation with one commit at most. */
  readonly pageEntries: number;
  readonly commitEntries: number;
  /** So long after they left the Timeline entries leave the archive: until then a store that loses its end finds them. */
  readonly dropAfterMs: number;
  /** Conversations of which it is remembered that the archive has nothing of before; of others it is asked again (I9). */
  readonly droppedMax: number;
}

export const defaultRetentionLimits: RetentionLimits = {
  days: 0,
  rounds: { firstMs: 10_000, everyMs: 3_600_000, pauseMs: 20 },
  pageEntries: 500,
  commitEntries: 5_000,
  dropAfterMs: 10_000,
  droppedMax: 100_000,
};

export interface RetentionParts {
  /** Null where everything stays hot. */
  readonly archive: Pick<ArchiveStore, 'extent' | 'trim' | 'erase'> | null;
  readonly isHeld: IsHeld;
  readonly timelines: TimelineReader;
  readonly partitions: Pick<PartitionStore, 'loadActor'>;
  readonly stored: StoredConversations;
  readonly limits: RetentionLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
}

/** The node that it works for. */
export interface RetentionNode {
  readonly calls: Pick<ActorCalls, 'conversation' | 'partitionOf'>;
  /** Where a conversation stands that lives here, without bringing it into memory; null for another one. */
  readonly tiers: (conversation: ConversationId) => Promise<KeptTiers | null>;
}

export interface RetentionStats {
  /** Since the start. */
  readonly entriesRetired: number;
  /** Conversations of which something is to leave the archive yet. */
  readonly dropping: number;
}

interface Dropping {
  /** What stands before it is to leave the archive. */
  readonly first: number;
  readonly sinceMs: number;
  isDone: boolean;
}

/** The same asked again, each time with other members: see `retire` of the conversation. */
const ROUNDS_MAX = 1_000;

/**
 * Lets entries go that are older than is kept, of the conversations of this node, now and then.
 *
 * (R1) First they leave the Timeline, with one fenced commit, so that nobody is shown a part of them, and every reader is
 *      told where it begins. Later they leave the archive. What ends in between leaves entries that no read finds.
 * (R2) What is to be done follows from what is stored: a round that ended anywhere is made up for by the next one.
 */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #dropping = new Map<ConversationId, Dropping>();
  #node: RetentionNode | null = null;
  #rounds: Rounds | null = null;
  #isStopped = false;
  #isDropWaiting = false;
  #entriesRetired = 0;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  get stats(): RetentionStats {
    const dropping = [...this.#dropping.values()].filter(({ isDone }) => !isDone).length;
    return { entriesRetired: this.#entriesRetired, dropping };
  }

  /** From here on it works. */
  serve(node: RetentionNode): void {
    const { stored, timers, limits, log } = this.#parts;
    this.#node = node;
    if (this.#isStopped) return;
    this.#rounds = new Rounds({
      ...{ timers, limits: limits.rounds },
      pages: () => stored.conversations(),
      look: (conversation) => this.look(conversation),
      broken: (conversation, error) => {
        log.error('what is too old of a conversation cannot be told, and stays', { conversation, error });
      },
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#rounds?.stop();
  }

  /** Looks through one conversation, if it lives here. Rejects with StoreUnavailable where the store cannot be asked. */
  async look(conversation: ConversationId): Promise<void> {
    const node = this.#node;
    const kept = node === null ? null : await node.tiers(conversation);
    if (node === null || kept === null) return;
    await this.#letGo(node, conversation, kept);
  }

  /**
   * Lets go of what has outlived the lifetime of a conversation, wherever that lives. Rejects with StoreUnavailable where
   * the store cannot be asked.
   *
   * @returns why it is to be tried again; null when it is done.
   */
  async expire(conversation: ConversationId): Promise<string | null> {
    const node = this.#node;
    if (node === null || this.#isStopped) return 'this node serves nothing now';
    const kept = await node.calls.conversation(conversation, { t: 'tiers' });
    if (!kept.ok) return kept.error.retry === 'later' ? kept.error.message : null;
    return (await this.#letGo(node, conversation, kept.value)) ? null : 'not all of what is too old has left yet';
  }

  /** @returns whether nothing is left of what is too old. */
  async #letGo(node: RetentionNode, conversation: ConversationId, kept: KeptTiers): Promise<boolean> {
    const { archive, clock, limits } = this.#parts;
    const sinceMs = tooOldBeforeMs(clock.nowMs(), limits.days, kept);
    const after = sinceMs === null ? kept : await this.#retire(node, conversation, kept, sinceMs);
    const first = keptFrom((after ?? kept).head);
    if (archive !== null && first > 1 && this.#dropping.get(conversation)?.first !== first) {
      this.#note(conversation, { first, sinceMs: clock.monotonicMs(), isDone: false });
    }
    return after !== null;
  }

  /** @returns where its entries are then; null when something too old may be left. */
  async #retire(
    { calls }: RetentionNode,
    conversation: ConversationId,
    before: KeptTiers,
    sinceMs: number,
  ): Promise<KeptTiers | null> {
    const isTold = before.lifetimeMs > 0 ? ({ isTold: true } as const) : {};
    let kept = before;
    for (let round = 0; round < ROUNDS_MAX && !this.#isStopped; round += 1) {
      const entries = await this.#readOld(calls, conversation, kept.head, sinceMs);
      const beside = entries.length === 0 ? new Map<string, Uint8Array>() : await this.#beside(calls, conversation);
      const retired = retiredOf(entries, beside);
      if (retired === null) return kept;
      const first = keptFrom(kept.head);
      for (let more = 0; more < ROUNDS_MAX && keptFrom(kept.head) === first; more += 1) {
        const told = await calls.conversation(conversation, { t: 'retire', retired, ...isTold });
        // Its owner is another one by now, or cannot commit: the next round comes.
        if (!told.ok) return null;
        kept = told.value;
      }
      if (keptFrom(kept.head) === first) return null;
      this.#entriesRetired += entries.length;
    }
    return null;
  }

  /** What is too old at the beginning of a conversation, as much as leaves with one commit. */
  async #readOld(
    calls: RetentionNode['calls'],
    conversation: ConversationId,
    head: TimelineHead,
    sinceMs: number,
  ): Promise<readonly ReadEntry[]> {
    const { timelines, limits } = this.#parts;
    const actor = conversationKey(conversation);
    const place = { partition: calls.partitionOf(actor), actor };
    const old: ReadEntry[] = [];
    const end = Math.min(head.seq, keptFrom(head) + limits.commitEntries - 1);
    for (let from: number = keptFrom(head); from <= end; from += limits.pageEntries) {
      const range = { from: sequenceId(from), to: sequenceId(Math.min(end, from + limits.pageEntries - 1)) };
      const entries = await readDense(timelines, place, positionsOf(head, range), 'forward');
      const page = entries.map(({ gen, seq, data }) => ({ gen, seq, ...decodeEntry(data) }));
      const found = tooOld(page, sinceMs);
      old.push(...found);
      if (found.length < page.length) break;
    }
    return old;
  }

  async #beside(calls: RetentionNode['calls'], conversation: ConversationId): Promise<ReadonlyMap<string, Uint8Array>> {
    const partition = calls.partitionOf(conversationKey(conversation));
    const record = await this.#parts.partitions.loadActor(partition, revisionsKey(conversation));
    if (!record.ok) throw new StoreUnavailable(record.error.message);
    return record.value.fields;
  }

  #note(conversation: ConversationId, dropping: Dropping): void {
    this.#dropping.delete(conversation);
    this.#dropping.set(conversation, dropping);
    this.#dropLater();
    if (this.#dropping.size <= this.#parts.limits.droppedMax) return;
    for (const longest of this.#dropping.keys()) {
      this.#dropping.delete(longest);
      return;
    }
  }

  #dropLater(): void {
    if (this.#isDropWaiting || this.#isStopped) return;
    this.#isDropWaiting = true;
    this.#parts.timers.after(this.#parts.limits.dropAfterMs, () => {
      void this.#dropAll();
    });
  }

  /** What left Timelines a while ago leaves the archive. */
  async #dropAll(): Promise<void> {
    const { clock, limits, log } = this.#parts;
    for (const [conversation, dropping] of [...this.#dropping]) {
      if (this.#isStopped) return;
      if (dropping.isDone || clock.monotonicMs() - dropping.sinceMs < limits.dropAfterMs) continue;
      const problem = await this.#drop(conversation);
      if (problem === null) dropping.isDone = true;
      else if (problem === HELD) break;
      else log.warn('entries that are too old stay in the archive for now', { conversation, error: problem });
    }
    this.#isDropWaiting = false;
    if ([...this.#dropping.values()].some(({ isDone }) => !isDone)) this.#dropLater();
  }

  /** @returns what went wrong, null for nothing. */
  async #drop(conversation: ConversationId): Promise<string | null> {
    const { archive, isHeld } = this.#parts;
    // As it is stored by now: what was lost with the end of a store is not too old again before it was looked at anew.
    const kept = await this.#keptAnywhere(conversation);
    return archive === null || kept === null ? null : dropBefore({ archive, isHeld }, conversation, kept.head);
  }

  /** As its owner has it, where it lives on another node. */
  async #keptAnywhere(conversation: ConversationId): Promise<KeptTiers | null> {
    const here = await this.#node?.tiers(conversation);
    if (this.#node === null || (here !== null && here !== undefined)) return here ?? null;
    const told = await this.#node.calls.conversation(conversation, { t: 'tiers' });
    return told.ok ? told.value : null;
  }
}
