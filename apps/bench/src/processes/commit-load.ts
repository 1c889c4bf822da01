import { partitionId, sequenceId, systemClock, systemRandom, systemTimers, type UserId } from '@millrace/kernel';
import { type AckLevel, type Commit, type OwnerToken, STORE_FORMAT } from '@millrace/partition';
import { encodeEntry } from '@millrace/protocol';
import { RedisStores } from '@millrace/redis-store';
import type { ActorKey, Position, TimelineHead } from '@millrace/timeline';
import { PAYLOAD_BYTES } from '../workloads/shape.ts';

export interface CommitCommand {
  readonly op: 'commit';
  readonly url: string;
  readonly ackLevel: AckLevel;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface CommitResult {
  /** Within the measured time. */
  readonly commits: number;
  readonly entries: number;
  readonly seconds: number;
  /** Of all of the time: what was acknowledged, and how many entries the heads that are stored then count. */
  readonly acked: number;
  readonly stored: number;
}

/** As many as a deployment has, each with one commit under way. */
const PARTITIONS = 64;
/** Of one commit: 2,000 messages are under way in `direct`, and these are its partition's. */
const ENTRIES = 32;
/** About what two senders' windows of client message ids take, and a commit's entry in the changefeed. */
const WINDOW = 'w'.repeat(30);
const FEED = new Uint8Array(80).fill(1);
/** What is not diffused yet stays in the changefeed: the commits of a moment. */
const FEED_KEPT = 50;
const NODE = 'bench.commits' as Parameters<RedisStores['partitions']['claim']>[1];

const entry = encodeEntry({
  ...{ from: 'bench-writer' as UserId, deviceTag: 1, n: 1, sentAt: 1_700_000_000_000, at: 1_700_000_000_020 },
  ...{ type: 'text', body: 'x'.repeat(PAYLOAD_BYTES), msgNo: 1, countable: true },
});
const entries = Array.from({ length: ENTRIES }, () => entry);

/** One partition, as its owner uses it, with nothing to decide. */
class OnePartition {
  readonly #stores: RedisStores;
  readonly #id: ReturnType<typeof partitionId>;
  readonly #actor: ActorKey;
  #token: OwnerToken | null = null;
  #head: TimelineHead | null = null;
  #commitNo = 0;

  constructor(stores: RedisStores, index: number) {
    this.#stores = stores;
    this.#id = partitionId(index);
    this.#actor = `c:bench-${String(index)}` as ActorKey;
  }

  async claim(): Promise<void> {
    const claimed = await this.#stores.partitions.claim(this.#id, NODE, 0);
    if (!claimed.ok) throw new Error(claimed.error.message);
    this.#token = claimed.value.token;
  }

  /** @returns how many entries are stored with it. */
  async commit(): Promise<number> {
    const token = this.#token;
    if (token === null) throw new Error('it was claimed');
    const commitNo = this.#commitNo + 1;
    const before: Position = { gen: this.#head?.gen ?? (0 as Position['gen']), seq: this.#head?.seq ?? sequenceId(0) };
    const gen = 1 as Position['gen'];
    const head: TimelineHead = { gen, seq: sequenceId(before.seq + ENTRIES), first: sequenceId(1), past: [] };
    const set = ['d:one', 'd:two'].map((field) => [field, WINDOW] as const);
    const commit: Commit = {
      ...{ partition: this.#id, token, commitNo, commitId: commitNo.toString(16).padStart(16, '0') },
      writes: [{ actor: this.#actor, expected: before, head, entries, set, unset: [], trimBefore: null }],
      feed: FEED,
      diffusedTo: commitNo > FEED_KEPT ? commitNo - FEED_KEPT : null,
      feedFrom: commitNo > FEED_KEPT ? commitNo - FEED_KEPT : null,
      ...{ deadLetters: [], settle: null, recovering: null },
    };
    const outcome = await this.#stores.partitions.commit(commit);
    if (outcome.code !== 'ok') throw new Error(`a commit came to ${JSON.stringify(outcome)}`);
    this.#commitNo = commitNo;
    this.#head = head;
    return ENTRIES;
  }

  /** How many entries it has by what is stored, the last of which can be read. */
  async stored(): Promise<number> {
    const record = await this.#stores.partitions.loadFields(this.#id, this.#actor, []);
    if (!record.ok) throw new Error(record.error.message);
    const { head } = record.value;
    if (head === null) return 0;
    const last = await this.#stores.timelines.at(this.#id, this.#actor, { gen: head.gen, seq: head.seq });
    return last === null ? 0 : head.seq;
  }
}

/** Commits to Redis by the store of a node, as fast as it takes them, without a node. */
export class CommitLoad {
  async carryOut(
    { url, ackLevel, warmupMs, measureMs }: CommitCommand,
    onEdge: (edge: 'begin' | 'end') => void,
  ): Promise<CommitResult> {
    const platform = { clock: systemClock, timers: systemTimers, random: systemRandom };
    const connected = await RedisStores.connect({ url, ackLevel, storeFormat: STORE_FORMAT, ...platform });
    if (!connected.ok) throw new Error(connected.error.message);
    const stores = connected.value;
    try {
      const partitions = Array.from({ length: PARTITIONS }, (_, index) => new OnePartition(stores, index));
      await Promise.all(partitions.map((partition) => partition.claim()));
      const measured = { commits: 0, entries: 0 };
      let acked = 0;
      let phase: 'warm-up' | 'measured' | 'over' = 'warm-up';
      const running = partitions.map(async (partition) => {
        while (phase !== 'over') {
          const stored = await partition.commit();
          acked += stored;
          if (phase !== 'measured') continue;
          measured.commits += 1;
          measured.entries += stored;
        }
      });
      const all = Promise.all(running);
      const after = (ms: number): Promise<void> => new Promise((resolve) => systemTimers.after(ms, resolve));
      await Promise.race([after(warmupMs), all]);
      onEdge('begin');
      phase = 'measured';
      const startedMs = systemClock.monotonicMs();
      await Promise.race([after(measureMs), all]);
      const seconds = (systemClock.monotonicMs() - startedMs) / 1_000;
      onEdge('end');
      phase = 'over';
      await all;
      let stored = 0;
      for (const partition of partitions) stored += await partition.stored();
      return { ...measured, seconds, acked, stored };
    } finally {
      stores.close();
    }
  }
}
