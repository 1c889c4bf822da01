import type { ArchiveStore, Tiers } from '@millrace/archive';
import type { Clock, ConversationId, Timers } from '@millrace/kernel';
import { RetryWait, type ClusterView, type PartitionLog } from '@millrace/partition';
import type { HotTimelines, TimelineReader } from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import { birthKey } from '../cluster/birth-actor.ts';
import type { Effect } from '../effects.ts';
import { atOf } from './aged.ts';
import type { IsHeld } from './drop-before.ts';
import { RollHandover, type HandoverLimits, type RollJobs } from './roll-jobs.ts';
import { roll, type RollLimits, type Rolled } from './roll.ts';
import { defaultSweepLimits, Sweeper, type SweepLimits } from './sweeper.ts';
import { defaultStuckLimits, StuckRolls, type StuckLimits } from './stuck-rolls.ts';

export interface ArchiverLimits extends RollLimits {
  /** Conversations of one append. */
  readonly conversationsPerRoll: number;
  /** Conversations that wait; one more is left until somebody writes there again (I9). */
  readonly waitingMax: number;
  readonly retry: { readonly msMin: number; readonly msMax: number };
  readonly sweep: SweepLimits;
  readonly handover: HandoverLimits;
  readonly stuck: StuckLimits;
  /** Rolls of one job, one after the other; what is left is handed over again. */
  readonly rollsPerJob: number;
  /** With so much of Redis's memory in use, of 1, only the last chunk of a conversation stays hot; until it is well below. */
  readonly tightShare: number;
  /** After so long without an answer of the archive an error is logged, and again each time as long. */
  readonly alarmMs: number;
}

export const defaultArchiverLimits: ArchiverLimits = {
  hotEntries: 1_000,
  hotMs: 30 * 24 * 3_600_000,
  chunkEntries: 50,
  chunksMax: 20,
  bytesMax: 16 * 1024 * 1024,
  conversationsPerRoll: 16,
  waitingMax: 100_000,
  retry: { msMin: 250, msMax: 30_000 },
  sweep: defaultSweepLimits,
  handover: { jobsMax: 256, againMs: 100, restMs: 10_000 },
  stuck: defaultStuckLimits,
  rollsPerJob: 20,
  tightShare: 0.6,
  alarmMs: 30_000,
};

/** Nothing stays hot: what was sequenced up to now is old enough, whatever the clocks of then said. */
const WHOLE = { hotEntries: 0, hotMs: -24 * 3_600_000 };
const WHOLE_ROUNDS_MAX = 10_000;

export interface ArchiverParts {
  readonly archive: ArchiveStore;
  /** Of {@link archive}. */
  readonly identity: string;
  readonly isHeld: IsHeld;
  readonly timelines: TimelineReader;
  /** Absent: only what is written to is archived. */
  readonly hot?: HotTimelines;
  /** Absent: this node does its own rolls. */
  readonly jobs?: RollJobs;
  readonly limits: ArchiverLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
}

/** The node that it works for. */
export interface ArchiverNode {
  readonly calls: ActorCalls;
  /** The newest view, null before the first one. */
  readonly view: () => ClusterView | null;
  /** Where a conversation stands that lives here, without bringing it into memory; null for another one. */
  readonly tiers: (conversation: ConversationId) => Promise<Tiers | null>;
}

export interface ArchiverStats {
  /** Conversations that wait to be archived, and are in no job yet. */
  readonly waiting: number;
  /** Since the start. */
  readonly entriesArchived: number;
  readonly rollsFailed: number;
  readonly conversationsStuck: number;
  /** For how long nothing could be archived though something waits, milliseconds; 0 when it can. */
  readonly failingMs: number;
  /** Why, in words for the operator; empty when it can. */
  readonly failingWhy: string;
}

/** What came of a roll of several conversations. */
interface RolledSome {
  /** There is more of them to archive. */
  readonly more: readonly ConversationId[];
  /** Whose owner or Timeline could not be asked. */
  readonly later: readonly { readonly conversation: ConversationId; readonly reason: string }[];
  /** Whether any could be. */
  readonly isAny: boolean;
}

/**
 * Has archived what the partitions of this node have beyond what is to stay hot. It hears of that from its own commits, and hands it over
 * to the nodes that work jobs; it does what the queue does not take itself, one roll after the other.
 *
 * (K1) Nothing waits for it: sends go on when the archive is away, and conversations then stay hot.
 * (K2) What is to be done follows from what is stored. A roll that ended anywhere, or a conversation that was forgotten, is
 *      found again with the next chunk that is written there.
 * (K3) Nothing is archived while a node of the cluster does not use this archive: it could not read what left Redis.
 * (K4) While the memory of Redis fills up nothing is handed over: a queue there would need what is to be made free.
 */
export class Archiver {
  readonly identity: string;
  readonly #parts: ArchiverParts;
  readonly #waiting = new Set<ConversationId>();
  /** Of what is rolled now; what is written to them from now on may come too late for that. */
  #underWay: readonly ConversationId[] = [];
  readonly #stuck: StuckRolls;
  readonly #retry: RetryWait;
  #node: ArchiverNode | null = null;
  #isRolling = false;
  #isStopped = false;
  #isBound = false;
  #failing: { readonly sinceMs: number; lastMs: number; alarmedMs: number; why: string } | null = null;
  #entriesArchived = 0;
  #rollsFailed = 0;
  #conversationsStuck = 0;
  #isTight = false;
  #sweeper: Sweeper | null = null;
  readonly #handover: RollHandover | null;

  constructor(parts: ArchiverParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.#retry = new RetryWait(parts.timers, parts.limits.retry);
    const { jobs, clock, timers, limits } = parts;
    this.#stuck = new StuckRolls(limits.stuck, clock);
    const again = (conversation: ConversationId): void => {
      this.add(conversation);
    };
    this.#handover =
      jobs === undefined ? null : new RollHandover({ jobs, clock, timers, limits: limits.handover, again });
  }

  get stats(): ArchiverStats {
    const { sinceMs = null, why = '' } = this.#failure ?? {};
    return {
      waiting: this.#left,
      entriesArchived: this.#entriesArchived,
      rollsFailed: this.#rollsFailed,
      conversationsStuck: this.#conversationsStuck,
      failingMs: sinceMs === null ? 0 : this.#parts.clock.monotonicMs() - sinceMs,
      failingWhy: why,
    };
  }

  get #left(): number {
    return this.#waiting.size + this.#underWay.filter((conversation) => !this.#waiting.has(conversation)).length;
  }

  /** What fails now. A job that failed here may have been done by another node meanwhile, which tells nobody. */
  get #failure(): { readonly sinceMs: number; readonly why: string } | null {
    const { clock, limits } = this.#parts;
    const lastMs = this.#failing?.lastMs ?? Infinity;
    const isLongAgo = clock.monotonicMs() - lastMs > 2 * limits.retry.msMax;
    if (isLongAgo && this.#left === 0) this.#failing = null;
    return this.#failing;
  }

  /** From here on it works. */
  serve(node: ArchiverNode): void {
    const { hot, timelines, limits, clock, timers } = this.#parts;
    this.#node = node;
    if (hot !== undefined && !this.#isStopped) {
      this.#sweeper = new Sweeper({
        ...{ hot, clock, timers, limits: limits.sweep, tiers: node.tiers },
        bounds: () => this.#limits,
        atOf: (conversation, tiers, seq) => atOf(timelines, node.calls, conversation, tiers, seq),
        found: (conversation) => {
          this.add(conversation);
        },
        broken: (conversation, reason) => {
          this.#note(conversation, { code: 'stuck', reason });
        },
      });
    }
    this.#rollSoon();
  }

  /** How much of Redis's memory is in use, of 1: of the fullest one. 0 where it has no bound. */
  memory(share: number): void {
    const { tightShare } = this.#parts.limits;
    if (this.#isTight && share < tightShare * 0.8) this.#isTight = false;
    if (this.#isTight || share < tightShare) return;
    this.#isTight = true;
    this.#parts.log.warn('the memory of Redis fills up: conversations keep no more in it than their last entries', {
      share: Math.round(share * 100) / 100,
    });
    void this.#sweeper?.sweep();
  }

  get #limits(): ArchiverLimits {
    const { limits } = this.#parts;
    return this.#isTight ? { ...limits, hotEntries: Math.min(limits.hotEntries, limits.chunkEntries) } : limits;
  }

  /** Effects of a commit: a conversation that has filled another chunk may have one too many. */
  told(effects: readonly Effect[]): void {
    const { hotEntries, chunkEntries } = this.#limits;
    /** Those that need not be hot when a conversation ends there. */
    const chunksUpTo = (seq: number): number => Math.floor((seq - hotEntries) / chunkEntries);
    for (const effect of effects) {
      if (effect.e !== 'appended' && effect.e !== 'imported' && effect.e !== 'staged') continue;
      const { from, to } = effect;
      if (to <= hotEntries || chunksUpTo(to) <= chunksUpTo(from - 1)) continue;
      this.add(effect.e === 'appended' ? effect.facts.conversation : effect.conversation);
    }
  }

  /**
   * A conversation that may have something to archive.
   *
   * @returns false when too many wait: it is found again when somebody writes there, or by the next sweep of its owner.
   */
  add(conversation: ConversationId): boolean {
    if (this.#stuck.rests(conversation) || this.#handover?.holds(conversation) === true) return true;
    if (this.#isStopped || this.#waiting.size >= this.#parts.limits.waitingMax) return false;
    this.#waiting.add(conversation);
    this.#rollSoon();
    return true;
  }

  /**
   * Brings all of a conversation into the archive, so that nothing of it is in Redis any more for the moment.
   *
   * @returns why that cannot be; null when it is so.
   */
  async rollWhole(conversation: ConversationId): Promise<string | null> {
    const node = this.#node;
    if (node === null) return 'the node has not started';
    const unfit = await this.#unfit(node);
    if (unfit !== null) return unfit;
    const { archive, isHeld, timelines, clock } = this.#parts;
    const limits = { ...this.#parts.limits, ...WHOLE };
    for (let round = 0; round < WHOLE_ROUNDS_MAX && !this.#isStopped; round += 1) {
      const parts = { archive, isHeld, timelines, limits, calls: node.calls, nowMs: clock.nowMs() };
      const rolled = await roll(parts, [conversation]);
      if ('code' in rolled) return rolled.reason;
      const outcome = rolled.get(conversation);
      if (outcome !== undefined) this.#note(conversation, outcome);
      if (outcome !== undefined && 'reason' in outcome) return outcome.reason;
      const tiers = await node.calls.conversation(conversation, { t: 'tiers' });
      if (!tiers.ok) return tiers.error.message;
      if (tiers.value.archivedTo === tiers.value.head.seq) return null;
    }
    return 'it goes on faster than it is archived';
  }

  stop(): void {
    this.#isStopped = true;
    this.#sweeper?.stop();
    this.#waiting.clear();
    this.#retry.wake();
  }

  #rollSoon(): void {
    if (this.#isRolling || this.#node === null || this.#waiting.size === 0) return;
    this.#isRolling = true;
    this.#parts.timers.soon(() => {
      void this.#rollAll();
    });
  }

  async #rollAll(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#isStopped) {
      const some = [...this.#waiting].slice(0, this.#limits.conversationsPerRoll);
      if (await this.#handsOver(some)) {
        for (const conversation of some) this.#waiting.delete(conversation);
        continue;
      }
      const refused = await this.#rollSome(some);
      if (refused === null) {
        this.#goesOn();
        continue;
      }
      this.#fails(refused);
      await this.#retry.wait();
    }
    this.#isRolling = false;
  }

  /** To whoever works jobs, where somebody does, unless something is wrong: then it is found out here when it is over. */
  async #handsOver(some: readonly ConversationId[]): Promise<boolean> {
    if (this.#handover === null || this.#isTight || this.#failure !== null) return false;
    // A node of an older version works other jobs, and no rolls.
    const isWorked = this.#node?.view()?.members.some(({ rolls }) => rolls === true) === true;
    return isWorked && this.#handover.give(some);
  }

  /**
   * Does a job of {@link RollJobs}.
   *
   * @returns why it is to be tried again; null when nothing is left to do for it.
   */
  async rollHere(conversations: readonly ConversationId[]): Promise<string | null> {
    let left = conversations.filter((conversation) => !this.#stuck.rests(conversation));
    let reason: string | null = null;
    for (let count = 0; left.length > 0 && count < this.#parts.limits.rollsPerJob && !this.#isStopped; count += 1) {
      const rolled = await this.#roll(left, this.#limits);
      if (typeof rolled === 'string') {
        this.#fails(rolled);
        return rolled;
      }
      reason = rolled.later.at(-1)?.reason ?? reason;
      if (rolled.isAny) this.#goesOn();
      else if (reason !== null) this.#fails(reason);
      left = [...rolled.more];
    }
    if (left.length > 0 && this.#isStopped) return 'the node is stopping';
    const isTaken = left.map((conversation) => this.add(conversation)).every(Boolean);
    return isTaken ? reason : 'too many conversations wait here to be archived';
  }

  /** @returns why nothing could be archived, null when something could, or need not be. */
  async #rollSome(some: readonly ConversationId[]): Promise<string | null> {
    for (const conversation of some) this.#waiting.delete(conversation);
    this.#underWay = some;
    const rolled = await this.#roll(some, this.#limits);
    this.#underWay = [];
    if (this.#isStopped) return null;
    if (typeof rolled === 'string') {
      for (const conversation of some) this.#waiting.add(conversation);
      return rolled;
    }
    // Behind those that wait already.
    for (const conversation of rolled.more) this.#waiting.add(conversation);
    for (const { conversation } of rolled.later) this.#waiting.add(conversation);
    return rolled.isAny ? null : (rolled.later.at(-1)?.reason ?? null);
  }

  /** @returns why nothing could be archived. */
  async #roll(conversations: readonly ConversationId[], limits: RollLimits): Promise<RolledSome | string> {
    const node = this.#node;
    if (node === null) return 'the node has not started';
    const unfit = await this.#unfit(node);
    if (unfit !== null) return unfit;
    const { archive, isHeld, timelines, clock } = this.#parts;
    const parts = { archive, isHeld, timelines, limits, calls: node.calls, nowMs: clock.nowMs() };
    const rolled = await roll(parts, conversations);
    if ('code' in rolled) return rolled.reason;
    const [more, later]: [ConversationId[], RolledSome['later'][number][]] = [[], []];
    for (const [conversation, outcome] of rolled) {
      if (outcome.code === 'more') more.push(conversation);
      if (outcome.code === 'later') later.push({ conversation, reason: outcome.reason });
      this.#note(conversation, outcome);
    }
    return { more, later, isAny: later.length < rolled.size };
  }

  #note(conversation: ConversationId, outcome: Rolled): void {
    if ('entries' in outcome) this.#entriesArchived += outcome.entries;
    if (outcome.code === 'done' || outcome.code === 'more') this.#stuck.forget(conversation);
    if (outcome.code !== 'stuck') return;
    this.#conversationsStuck += 1;
    if (!this.#stuck.note(conversation, outcome.reason)) return;
    this.#parts.log.error('a conversation cannot be archived, and stays in Redis; it is tried again now and then', {
      conversation,
      error: outcome.reason,
    });
  }

  /** Why nothing may leave Redis now: not every node of the cluster would find it again (K3). */
  async #unfit({ calls, view }: ArchiverNode): Promise<string | null> {
    const other = view()?.members.find(({ archive }) => archive !== this.identity);
    if (other !== undefined) {
      const which = other.archive === undefined ? 'no archive' : 'another archive';
      return `the node ${other.name} uses ${which}, and could not read what leaves Redis`;
    }
    if (this.#isBound) return null;
    const bound = await new Promise<AnyReply>((resolve) => {
      calls.post(birthKey, { t: 'archive', identity: this.identity }, resolve, 'client');
    });
    if (!bound.ok) return bound.error.message;
    this.#isBound = bound.value === this.identity;
    return this.#isBound ? null : 'what left Redis before is in another archive';
  }

  #fails(why: string): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#rollsFailed += 1;
    if (this.#failing === null) {
      this.#failing = { sinceMs: nowMs, lastMs: nowMs, alarmedMs: nowMs, why };
      this.#parts.log.warn('nothing can be archived at the moment; conversations stay in Redis', { error: why });
      return;
    }
    this.#failing.why = why;
    this.#failing.lastMs = nowMs;
    if (nowMs - this.#failing.alarmedMs < this.#parts.limits.alarmMs) return;
    this.#failing.alarmedMs = nowMs;
    this.#parts.log.error('nothing is archived: conversations stay in Redis, whose memory grows', {
      error: why,
      forSeconds: Math.round((nowMs - this.#failing.sinceMs) / 1_000),
      waiting: this.#waiting.size,
    });
  }

  #goesOn(): void {
    this.#retry.reset();
    if (this.#failing === null) return;
    this.#failing = null;
    this.#parts.log.info('conversations are archived again', { waiting: this.#waiting.size });
  }
}
