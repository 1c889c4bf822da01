import { generation, partitionId, sequenceId, utf8, type NodeId, type PartitionId } from '@millrace/kernel';
import type { ActorKey, AnsweredAt, Position, TimelineEntry, TimelineHead } from '@millrace/timeline';
import { expect } from 'vitest';
import type { ActorWrite, ClaimAnswer, Commit, CommitOutcome } from '../commit.ts';
import type { OwnerToken } from '../owner-token.ts';
import type { ActorRecord, FeedEntry } from '../partition-store.ts';
import type { StoresUnderTest } from './stores-under-test.ts';

export const node = 'node-1' as NodeId;
export const actorKey = (text: string): ActorKey => text as ActorKey;
export const at = (gen: number, seq: number): Position => ({ gen: generation(gen), seq: sequenceId(seq) });
export const nowhere = at(0, 0);
export const head = (gen: number, seq: number, first = 1): TimelineHead => ({
  ...at(gen, seq),
  first: sequenceId(first),
  past: [],
});
export const commitIdOf = (number: number): string => number.toString(16).padStart(16, '0');
export const texts = (entries: readonly TimelineEntry[]): readonly string[] =>
  entries.map(({ gen, seq, data }) => `${String(gen)}-${String(seq)} ${new TextDecoder().decode(data)}`);

/** A write that appends `entries` to a Timeline of generation `gen` behind `after`. */
export function appending(
  actor: ActorKey,
  after: Position,
  entries: readonly string[],
  more: Partial<ActorWrite> = {},
): ActorWrite {
  const gen = Math.max(1, after.gen);
  return {
    actor,
    expected: after,
    head: head(gen, after.seq + entries.length),
    entries: entries.map(utf8),
    set: [],
    unset: [],
    trimBefore: null,
    ...more,
  };
}

/** One partition of the store under test, used as its owner uses it. */
export class APartition {
  readonly id: PartitionId;
  readonly #stores: StoresUnderTest;
  token: OwnerToken = { epoch: 0, uuid: '0'.repeat(32) };
  commitNo = 0;

  constructor(stores: StoresUnderTest, id = 7) {
    this.#stores = stores;
    this.id = partitionId(id);
  }

  async claim(aboveEpoch = 0): Promise<ClaimAnswer> {
    const claimed = await this.#stores.partitions.claim(this.id, node, aboveEpoch);
    if (!claimed.ok) throw new Error(claimed.error.message);
    this.token = claimed.value.token;
    return claimed.value;
  }

  /** The next commit, not sent. */
  next(writes: readonly ActorWrite[], more: Partial<Commit> = {}): Commit {
    return {
      partition: this.id,
      token: this.token,
      commitNo: this.commitNo + 1,
      commitId: commitIdOf(this.commitNo + 1),
      writes,
      feed: null,
      diffusedTo: null,
      feedFrom: null,
      deadLetters: [],
      settle: null,
      recovering: null,
      ...more,
    };
  }

  async send(commit: Commit): Promise<CommitOutcome> {
    const outcome = await this.#stores.partitions.commit(commit);
    if (outcome.code === 'ok') this.commitNo = commit.commitNo;
    return outcome;
  }

  /** Sends the next commit, which must be accepted. */
  async stored(writes: readonly ActorWrite[], more: Partial<Commit> = {}): Promise<Commit> {
    const commit = this.next(writes, more);
    expect(await this.send(commit)).toEqual({ code: 'ok' });
    return commit;
  }

  async load(actor: ActorKey): Promise<ActorRecord> {
    const loaded = await this.#stores.partitions.loadActor(this.id, actor);
    if (!loaded.ok) throw new Error(loaded.error.message);
    return loaded.value;
  }

  async fieldsOf(actor: ActorKey): Promise<Readonly<Record<string, string>>> {
    const { fields } = await this.load(actor);
    return Object.fromEntries([...fields].map(([name, value]) => [name, new TextDecoder().decode(value)]));
  }

  async stands(): Promise<AnsweredAt> {
    const read = await this.#stores.partitions.stands(this.id);
    if (!read.ok) throw new Error(read.error.message);
    return read.value;
  }

  /** All entries, oldest first. */
  async entries(actor: ActorKey): Promise<readonly string[]> {
    const query = {
      from: at(0, 0),
      to: at(99, Number.MAX_SAFE_INTEGER),
      limit: 100_000,
      direction: 'forward',
    } as const;
    return texts(await this.#stores.timelines.range(this.id, actor, query));
  }

  async feed(after = 0, limit = 1_000): Promise<readonly FeedEntry[]> {
    const read = await this.#stores.partitions.readFeed(this.id, after, limit);
    if (!read.ok) throw new Error(read.error.message);
    return read.value;
  }
}
