import {
  partitionId,
  type ConversationId,
  type Generation,
  type PartitionId,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import type { FeedEntry, StoreError } from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { StoreUnavailable, userKey, type ActorKey, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { decodeFeed } from '../diffuse/changefeed-entry.ts';
import { nothingKnown, standingsOf } from '../sync/standings.ts';

export interface RecoveryParts {
  readonly partitionCount: number;
  readonly calls: ActorCalls;
  readonly timelines: TimelineReader;
  readonly timers: Timers;
  partitionOf(this: void, key: ActorKey): PartitionId;
  /** Of any partition, whoever owns it. */
  readFeed(
    this: void,
    partition: PartitionId,
    afterCommitNo: number,
    limit: number,
  ): Promise<Result<readonly FeedEntry[], StoreError>>;
  /** Partitions of this node that have lost something and have not recovered yet, each with the generation of that. */
  recovering(this: void): ReadonlyMap<PartitionId, Generation>;
  recovered(this: void, partition: PartitionId, gen: Generation): void;
  /** A changefeed cannot be read by this version of the program. */
  failed(this: void, source: PartitionId, error: unknown): void;
}

const FEED_PAGE = 256;
const RETRY_MS = 200;
/** Partitions whose changefeeds are gone through at a time. */
const SOURCES_AT_ONCE = 4;

type Outcome = Result<unknown, FrameError | StoreError>;

/**
 * Finds again what partitions of this node have lost of what others had sent them. Their cursors are past it, but their
 * changefeeds still tell which conversations had something to say lately: each of those says again how far the users are
 * who live here.
 *
 * (V1) A partition has recovered when all changefeeds were gone through after it began its generation. What was begun
 *      and not finished is done again, by its next owner, too: a standing that is taken twice changes nothing.
 */
export class Recovery {
  readonly #parts: RecoveryParts;
  #isRunning = false;
  #isStopped = false;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Goes through the changefeeds for all that have to recover, unless it is at that; then once more for new ones. */
  async run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let targets = this.#targets(); targets.size > 0; targets = this.#targets()) {
      const sources = Array.from({ length: this.#parts.partitionCount }, (_, index) => partitionId(index));
      const line = sources.values();
      await Promise.all(Array.from({ length: SOURCES_AT_ONCE }, () => this.#follow(line, targets)));
      if (this.#isStopped) break;
      for (const [partition, gen] of targets) this.#parts.recovered(partition, gen);
    }
    this.#isRunning = false;
  }

  #targets(): ReadonlyMap<PartitionId, Generation> {
    return this.#isStopped ? new Map() : this.#parts.recovering();
  }

  async #follow(line: Iterator<PartitionId>, targets: ReadonlyMap<PartitionId, Generation>): Promise<void> {
    for (let next = line.next(); next.done !== true; next = line.next()) {
      const source = next.value;
      let told = new Set<ConversationId>();
      await this.#insist(targets, async () => {
        const read = await this.#conversationsOf(source);
        if (read.ok) told = read.value;
        return read;
      });
      for (const conversation of told) await this.#insist(targets, () => this.#ask(conversation, targets));
    }
  }

  /** The conversations that a changefeed still tells of. */
  async #conversationsOf(source: PartitionId): Promise<Result<Set<ConversationId>, StoreError>> {
    const told = new Set<ConversationId>();
    for (let after = 0; ;) {
      const page = await this.#parts.readFeed(source, after, FEED_PAGE);
      if (!page.ok) return page;
      try {
        for (const { data } of page.value) for (const { conversation } of decodeFeed(data)) told.add(conversation);
      } catch (error) {
        this.#parts.failed(source, error);
      }
      const last = page.value.at(-1);
      if (last === undefined || page.value.length < FEED_PAGE) return { ok: true, value: told };
      after = last.commitNo;
    }
  }

  async #ask(conversation: ConversationId, targets: ReadonlyMap<PartitionId, Generation>): Promise<Outcome> {
    const { calls, timelines, partitionOf } = this.#parts;
    const audience = await calls.conversation(conversation, { t: 'audience', range: null });
    if (!audience.ok) return audience;
    const users: readonly UserId[] = audience.value.members
      .map(({ user }) => user)
      .filter((user) => targets.has(partitionOf(userKey(user))));
    if (users.length === 0) return audience;
    const standings = await standingsOf(calls, timelines, conversation, users, nothingKnown);
    if (!standings.ok) return standings;
    for (const [user, standing] of standings.value) {
      const taken = await calls.user(user, { t: 'deliver', items: [standing] });
      if (!taken.ok && taken.error.code !== 'internal') return taken;
    }
    return standings;
  }

  /** Asks until there is an answer, or none of the targets is here any more. */
  async #insist(targets: ReadonlyMap<PartitionId, Generation>, ask: () => Promise<Outcome>): Promise<void> {
    while (!this.#isStopped && [...targets.keys()].some((partition) => this.#parts.recovering().has(partition))) {
      if (await isDone(ask)) return;
      await new Promise<void>((resolve) => {
        this.#parts.timers.after(RETRY_MS, resolve);
      });
    }
  }
}

async function isDone(ask: () => Promise<Outcome>): Promise<boolean> {
  try {
    const answer = await ask();
    // A record that this program cannot read will not be readable the next time, and holds up nobody else.
    return answer.ok || answer.error.code === 'internal';
  } catch (error) {
    if (error instanceof StoreUnavailable) return false;
    throw error;
  }
}
