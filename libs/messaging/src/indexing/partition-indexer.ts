import type { ConversationId, PartitionId, Result, Timers } from '@millrace/kernel';
import { RetryWait, type FeedEntry, type StoreError } from '@millrace/partition';
import { THROUGH_MAX } from '@millrace/search';
import { StoreUnavailable, type AnsweredAt, type Position, type TimelineHead } from '@millrace/timeline';
import type { Comparisons } from './comparisons.ts';
import { FeedLag } from './feed-lag.ts';
import { planFeed } from './feed-plan.ts';
import {
  answerOf,
  IndexBatches,
  Interrupted,
  isNotNow,
  piecesOf,
  type IndexBatchesLimits,
  type IndexBatchesParts,
  type Piece,
} from './index-batches.ts';
import { mayHoldLost, wayOn, type FeedStanding, type IndexCursor, type WayOn } from './index-cursor.ts';
import type { ChangeReads } from './read-changes.ts';
import { compare, type Span } from './spans.ts';
import type { Turns } from './turns.ts';

export interface PartitionIndexerLimits extends IndexBatchesLimits {
  /** Commits of one read of a changefeed. */
  readonly feedCommits: number;
  /** How long what comes is gathered, milliseconds. */
  readonly gatherMs: number;
  /** A partition that rests is looked at as often. */
  readonly idleMs: number;
  /** And the index is asked as often whether it still stands where it was. */
  readonly verifyMs: number;
  readonly retry: { readonly msMin: number; readonly msMax: number };
}

/** The node that an index is fed by, as far as a partition's follower sees it. */
export interface FollowedNode extends Omit<ChangeReads, 'rules'> {
  /** `waits`: it is not served at the moment. `gone`: it lives here no more. */
  standing(this: void, partition: PartitionId): FeedStanding | 'waits' | 'gone';
  readFeed(
    this: void,
    partition: PartitionId,
    afterCommitNo: number,
    limit: number,
  ): Promise<Result<readonly FeedEntry[], StoreError>>;
  /** Where its store has it now. */
  stands(this: void, partition: PartitionId): Promise<Result<AnsweredAt, StoreError>>;
}

export interface PartitionIndexerParts extends Omit<IndexBatchesParts, 'node' | 'limits' | 'insist' | 'whole'> {
  readonly node: FollowedNode;
  readonly comparisons: Comparisons;
  readonly turns: Turns;
  readonly limits: PartitionIndexerLimits;
  readonly timers: Timers;
}

/** Since when a partition cannot be indexed, monotonic, and why, for the operator. */
export interface Failing {
  readonly sinceMs: number;
  readonly why: string;
}

/** What comes next: `later` after a wait, `over` nothing. */
type Step = 'more' | 'idle' | 'later' | 'over';

/** A claim within this of a comparison may be one of a store that was away meanwhile. */
const COMPARED_MS = 10_000;

/** Conversations of which is remembered that the index knows what their generations lost. */
const CUTS_KNOWN_MAX = 10_000;

/**
 * Brings what one partition commits into an index.
 *
 * (X1) Nothing waits for it. It reads what is stored, when it comes to that.
 * (X2) The index keeps the cursor, in the batch that it stands for: whatever is done twice changes nothing, and nothing is
 *      left out. Whoever owns the partition next goes on from there.
 * (X3) It stops at the acknowledged commit (I1), and takes no page of a changefeed that another owner may have trimmed, or
 *      whose end the store has lost.
 */
export class PartitionIndexer {
  readonly #parts: PartitionIndexerParts;
  readonly #retry: RetryWait;
  readonly #lag = new FeedLag();
  readonly #batches: IndexBatches;
  /** The index's cursor, or one behind it up to where nothing is for the index; null before that is known. */
  #followed: IndexCursor | null = null;
  /** The last generation whose losses the index knows, by conversation. */
  readonly #cutsKnown = new Map<ConversationId, number>();
  /** Of a version that is being made: how far its conversations are, as long as it may have to go through them again. */
  readonly #filled = new Map<ConversationId, Position>();
  #mustCompare = false;
  /** How often the partition was claimed. */
  #claims = 0;
  /** When the index last said where it stands. */
  #verifiedMs = -Infinity;
  #isComparing = false;
  /** When it had gone through its conversations last. */
  #comparedMs = -Infinity;
  #failing: Failing | null = null;
  #isStopped = false;
  #isWoken = false;
  #wake: (() => void) | null = null;

  constructor(parts: PartitionIndexerParts) {
    this.#parts = parts;
    this.#retry = new RetryWait(parts.timers, parts.limits.retry);
    this.#batches = new IndexBatches({
      ...parts,
      insist: (ask) => this.#insist(ask),
      whole: (read) => this.#whole(read),
    });
  }

  /** Whether it goes through its conversations. */
  get isComparing(): boolean {
    return this.#isComparing;
  }

  /** For how long the oldest commit waits that is not indexed, milliseconds. */
  get lagMs(): number {
    return this.#lag.ms(this.#parts.clock.monotonicMs());
  }

  /** Null when it can go on. */
  get failing(): Failing | null {
    return this.#failing;
  }

  /**
   * The partition was claimed, perhaps once more: its store may have been away, and names that were told of it meanwhile may
   * lack what was only then written again.
   */
  claimed(): void {
    this.#claims += 1;
    const isRecent = this.#parts.clock.monotonicMs() - this.#comparedMs < COMPARED_MS;
    if (this.#isComparing || isRecent) this.#mustCompare = true;
    this.#retry.wake();
    this.wake();
  }

  /**
   * The version that the other one has fed may have taken the place of the one that this one feeds: it goes on from there,
   * and for what was missed in going through the conversations for it.
   */
  takesPlaceOf(next: PartitionIndexer): void {
    this.#comparedMs = Math.max(this.#comparedMs, next.#comparedMs);
    if (next.#mustCompare) this.#mustCompare = true;
    this.#verifiedMs = -Infinity;
    this.wake();
  }

  /** Something for the index was committed, up to this commit. */
  committed(commitNo: number): void {
    this.#lag.committed(commitNo, this.#parts.clock.monotonicMs());
    this.wake();
  }

  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  stop(): void {
    this.#isStopped = true;
    this.wake();
  }

  /** Follows until the partition lives here no more, or it is stopped. */
  async run(): Promise<void> {
    const standing = this.#parts.node.standing(this.#parts.partition);
    if (typeof standing !== 'string') this.#lag.committed(standing.commitNo, this.#parts.clock.monotonicMs());
    while (!this.#isOver()) {
      const step = await this.#step();
      if (step === 'over') return;
      if (step === 'later') {
        await this.#retry.wait();
        continue;
      }
      this.#retry.reset();
      this.#failing = null;
      if (step === 'idle') await this.#rest();
    }
  }

  #isOver(): boolean {
    return this.#isStopped || this.#parts.node.standing(this.#parts.partition) === 'gone';
  }

  #isToCompare(): boolean {
    return this.#mustCompare;
  }

  async #rest(): Promise<void> {
    const { timers, limits } = this.#parts;
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const cancel = timers.after(limits.idleMs, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = null;
    }
    if (this.#isWoken && !this.#isStopped) await new Promise<void>((resolve) => timers.after(limits.gatherMs, resolve));
    this.#isWoken = false;
  }

  async #step(): Promise<Step> {
    try {
      const { partition, node, turns } = this.#parts;
      const standing = node.standing(partition);
      if (typeof standing === 'string') return standing === 'gone' ? 'over' : 'later';
      const way = await this.#wayOn(standing);
      if (way.kind === 'compare') return await this.#compare(standing, way.isAnew);
      return await turns.take(() => this.#follow(standing, way.after));
    } catch (error) {
      this.#batches.drop();
      this.#followed = null;
      if (error instanceof Interrupted) {
        this.#filled.clear();
        return error.step;
      }
      if (!isNotNow(error)) this.#parts.log.error('what is to be indexed cannot be read', { error: String(error) });
      this.#fails(error instanceof Error ? error.message : String(error));
      return 'later';
    }
  }

  #fails(why: string): void {
    this.#failing = { sinceMs: this.#failing?.sinceMs ?? this.#parts.clock.monotonicMs(), why };
  }

  async #wayOn(standing: FeedStanding): Promise<WayOn> {
    const cursor = await this.#batches.cursor();
    if (this.#parts.into === 'next' && cursor !== null && mayHoldLost(cursor, standing)) await this.#beginAnew();
    if (this.#mustCompare) return { kind: 'compare', isAnew: cursor?.phase === 'anew' };
    if (cursor?.phase !== 'followed' || cursor.gen !== standing.gen) return wayOn(cursor, standing);
    if (this.#followed?.gen !== cursor.gen || this.#followed.commitNo < cursor.commitNo) this.#followed = cursor;
    return wayOn(this.#followed, standing);
  }

  /**
   * A version that is being made is not held against what there is, as the live one is: where it may hold what was lost
   * meanwhile, or is of another store, the making begins once more. Whoever feeds it finds that.
   */
  async #beginAnew(): Promise<never> {
    const { index, partition, log } = this.#parts;
    log.info('what is being indexed anew was lost meanwhile; the making begins once more', { partition });
    answerOf(await index.beginRebuild());
    await this.#batches.lookAgain();
    throw new Interrupted('later');
  }

  // -------------------------------------------------------------------------------------------------- the changefeed

  async #follow(standing: FeedStanding, after: number): Promise<Step> {
    const { partition, node, limits, clock } = this.#parts;
    if (after < standing.commitNo) {
      const page = await this.#whole(() => node.readFeed(partition, after, limits.feedCommits));
      if (!page.ok) throw new StoreUnavailable(page.error.message);
      const now = node.standing(partition);
      if (typeof now === 'string') return now === 'gone' ? 'over' : 'later';
      // What the page lacks may have been trimmed: then it is found by comparing.
      if (now.gen !== standing.gen || now.trimmedTo > after) return 'more';
      const feed = { commits: limits.feedCommits, entriesMax: limits.entriesPerBatch };
      const { spans, to, isAll } = planFeed(page.value, standing.commitNo, feed);
      const known = await Promise.all([...spans].map(([conversation, of]) => this.#pieces(conversation, of)));
      await this.#batches.add(known.flat());
      const reached: IndexCursor = { phase: 'followed', gen: standing.gen, commitNo: to };
      if (spans.size > 0) await this.#batches.flush(reached);
      this.#followed = reached;
      this.#lag.followed(to);
      if (!isAll) return 'more';
    }
    // What was trimmed since had nothing for the index: whoever goes on from the cursor must not look for it.
    const stored = await this.#batches.cursor();
    if ((stored?.commitNo ?? 0) < standing.trimmedTo && this.#followed !== null)
      await this.#batches.flush(this.#followed);
    this.#filled.clear();
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#verifiedMs >= limits.verifyMs) {
      await this.#batches.lookAgain();
      this.#verifiedMs = nowMs;
    }
    return 'idle';
  }

  /**
   * Reads while the store has all that is acknowledged. One that has lost its end is found out by the next commit alone, and
   * until that is replayed its changefeed is short, its names lack conversations, and messages are what they were before.
   */
  async #whole<T>(read: () => Promise<T>): Promise<T> {
    const { node, partition } = this.#parts;
    const [before, claims] = [node.standing(partition), this.#claims];
    const found = await read();
    const stored = await node.stands(partition);
    if (!stored.ok) throw new StoreUnavailable(stored.error.message);
    const isServed = typeof before !== 'string' && typeof node.standing(partition) !== 'string';
    if (isServed && claims === this.#claims && stored.value.commitNo >= before.commitNo) return found;
    throw new StoreUnavailable('the store lacks commits that were acknowledged, or did a moment ago');
  }

  /** What a changefeed told of a conversation. What its generations have lost goes first, when that may be new. */
  async #pieces(conversation: ConversationId, spans: readonly Span[]): Promise<readonly Piece[]> {
    const gen = spans.at(-1)?.gen ?? 0;
    const isKnown = gen <= 1 || this.#cutsKnown.get(conversation) === gen;
    const head = isKnown ? null : await this.#parts.node.headOf(conversation);
    return this.#piecesOf(conversation, spans, head);
  }

  #piecesOf(conversation: ConversationId, spans: readonly Span[], head: TimelineHead | null): readonly Piece[] {
    if (head !== null && head.gen > 1) {
      if (this.#cutsKnown.size >= CUTS_KNOWN_MAX) this.#cutsKnown.clear();
      this.#cutsKnown.set(conversation, head.gen);
    }
    return piecesOf(conversation, spans, head, this.#parts.limits.entriesPerRead);
  }

  // ---------------------------------------------------------------------------------------------------- comparing

  /** Holds every conversation against what the index has of it, and goes on from the commit that was the last before. */
  async #compare({ gen, commitNo }: FeedStanding, isAnew: boolean): Promise<Step> {
    const { partition, comparisons } = this.#parts;
    await this.#batches.flush({ phase: isAnew ? 'anew' : 'comparing', gen, commitNo });
    this.#isComparing = true;
    this.#mustCompare = false;
    try {
      const outcome = await comparisons.through(partition, async (conversations) => {
        for (let from = 0; from < conversations.length; from += THROUGH_MAX / 2) {
          await this.#compareSome(conversations.slice(from, from + THROUGH_MAX / 2), isAnew);
        }
      });
      if (outcome === 'stopped') return 'over';
      // Of a store that has lost its end the names lack some: it is claimed before they are back.
      await this.#insist(() => this.#whole(() => Promise.resolve()));
      if (this.#isToCompare()) return 'more';
      const reached: IndexCursor = { phase: 'followed', gen, commitNo };
      await this.#insist(() => this.#batches.flush(reached));
      // It may be behind where the index was said to stand: that was of another store.
      this.#followed = reached;
    } finally {
      this.#isComparing = false;
      this.#comparedMs = this.#parts.clock.monotonicMs();
    }
    this.#lag.followed(commitNo);
    return 'more';
  }

  async #compareSome(conversations: readonly ConversationId[], isAnew: boolean): Promise<void> {
    const { index, into, node } = this.#parts;
    const isHeld = into === 'live' && !isAnew;
    const through = isHeld
      ? await this.#insist(async () => answerOf(await index.indexedThrough(conversations)))
      : conversations.map((each) => this.#filled.get(each) ?? null);
    const heads = await this.#insist(() => Promise.all(conversations.map((each) => node.headOf(each))));
    const lacking: Piece[] = [];
    for (const [at, conversation] of conversations.entries()) {
      const head = heads[at] ?? null;
      if (head === null) continue;
      const { forgets, spans } = compare(head, through[at] ?? null, isAnew);
      if (forgets) this.#batches.forget(conversation);
      lacking.push(...this.#piecesOf(conversation, spans, head));
    }
    await this.#batches.add(lacking);
    await this.#insist(() => this.#batches.flush(null));
    if (into === 'live') return;
    for (const [at, conversation] of conversations.entries()) {
      const head = heads[at] ?? null;
      if (head !== null) this.#filled.set(conversation, { gen: head.gen, seq: head.seq });
    }
  }

  /** While it compares, asks until there is an answer, or it is to go no further. Else whoever asks has to begin again. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await ask();
        this.#failing = null;
        return answer;
      } catch (error) {
        if (!isNotNow(error) || !this.#isComparing) throw error;
        this.#fails(error.message);
      }
      await this.#retry.wait();
      if (this.#isOver()) throw new Interrupted('over');
    }
  }
}
