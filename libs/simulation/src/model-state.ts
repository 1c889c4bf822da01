import { generation, sequenceId, utf8, type ConversationId, type Generation } from '@millrace/kernel';
import {
  commitFault,
  encodeOwnerToken,
  type AckLevel,
  type ActorRecord,
  type ActorWrite,
  type ClaimFound,
  type Commit,
  type CommitOutcome,
  type FeedEntry,
} from '@millrace/partition';
import {
  comparePositions,
  type AnsweredAt,
  type Position,
  type RangeQuery,
  type TimelineEntry,
  type TimelineHead,
} from '@millrace/timeline';
import { ModelCluster, type ClusterOperation } from './model-cluster.ts';

const DEAD_LETTERS_MAX = 1_000;
const nowhere: Position = { gen: generation(0), seq: sequenceId(0) };

interface ModelActor {
  head: TimelineHead;
  readonly fields: Map<string, Uint8Array>;
}

interface ModelPartition {
  epoch: number;
  token: string;
  commitNo: number;
  commitId: string;
  gen: Generation;
  run: string;
  level: AckLevel;
  clean: number;
  diffusedTo: number;
  feedTrimmedTo: number | null;
  recovering: Generation;
  readonly actors: Map<string, ModelActor>;
  readonly timelines: Map<string, TimelineEntry[]>;
  feed: readonly FeedEntry[];
  deadLetters: readonly Uint8Array[];
}

/** Everything that changes the state. What chance and clock decide is in it already, so that it can be done again. */
export type ModelOperation =
  | { readonly kind: 'claim'; readonly partition: number; readonly uuid: string; readonly aboveEpoch: number }
  | { readonly kind: 'commit'; readonly commit: Commit }
  | {
      readonly kind: 'release';
      readonly partition: number;
      readonly token: string;
      readonly commitNo: number;
      readonly givenIn: number;
    }
  | { readonly kind: 'cluster'; readonly operation: ClusterOperation };

const emptyPartition = (): ModelPartition => ({
  epoch: 0,
  token: '',
  commitNo: 0,
  commitId: '',
  gen: generation(0),
  run: '',
  level: 'memory',
  clean: 0,
  diffusedTo: 0,
  feedTrimmedTo: null,
  recovering: generation(0),
  actors: new Map(),
  timelines: new Map(),
  feed: [],
  deadLetters: [],
});

/**
 * What a Redis holds of Millrace, as plainly as it can be said: the same answers as the functions in Redis, by other
 * means. A test runs both side by side, so that neither drifts.
 */
export class ModelState {
  readonly cluster: ModelCluster;
  readonly #partitions = new Map<number, ModelPartition>();

  constructor(cluster = new ModelCluster()) {
    this.cluster = cluster;
  }

  /** Another state that is the same now. */
  copy(): ModelState {
    const copy = new ModelState(this.cluster.copy());
    for (const [partition, { actors, timelines, ...owner }] of this.#partitions) {
      copy.#partitions.set(partition, {
        ...owner,
        actors: new Map([...actors].map(([actor, { head, fields }]) => [actor, { head, fields: new Map(fields) }])),
        timelines: new Map([...timelines].map(([actor, entries]) => [actor, [...entries]])),
      });
    }
    return copy;
  }

  /** Takes the entries up to `seq` out of a Timeline, as an archive would that nobody reads. */
  archive(partition: number, actor: string, seq: number): void {
    const { timelines } = this.#partition(partition);
    const entries = timelines.get(actor);
    if (entries !== undefined)
      timelines.set(
        actor,
        entries.filter((entry) => entry.seq > seq),
      );
  }

  /** What grows where something is never taken away. */
  get size(): { readonly keys: number; readonly fields: number; readonly inboxEntries: number; readonly feed: number } {
    const size = { keys: 0, fields: 0, inboxEntries: 0, feed: 0 };
    for (const { actors, timelines, feed } of this.#partitions.values()) {
      size.keys += 1 + actors.size + (feed.length > 0 ? 1 : 0);
      for (const { fields } of actors.values()) size.fields += fields.size;
      for (const [actor, { length }] of timelines) {
        if (length > 0) size.keys += 1;
        if (actor.startsWith('u:')) size.inboxEntries += length;
      }
      size.feed += feed.length;
    }
    return size;
  }

  /** All that have a record. */
  conversations(): readonly ConversationId[] {
    const actors = [...this.#partitions.values()].flatMap((partition) => [...partition.actors.keys()]);
    return actors.flatMap((actor) => (actor.startsWith('c:') ? [actor.slice(2) as ConversationId] : []));
  }

  #partition(partition: number): ModelPartition {
    let found = this.#partitions.get(partition);
    if (found === undefined) this.#partitions.set(partition, (found = emptyPartition()));
    return found;
  }

  /** Does one logged operation again, on a state that has seen all the ones before it. */
  apply(operation: ModelOperation): void {
    switch (operation.kind) {
      case 'claim':
        this.claim(operation.partition, operation.uuid, operation.aboveEpoch);
        break;
      case 'commit':
        this.commit(operation.commit);
        break;
      case 'release':
        this.release(operation.partition, operation.token, operation.commitNo, operation.givenIn);
        break;
      case 'cluster':
        this.cluster.apply(operation.operation);
    }
  }

  claim(partition: number, uuid: string, aboveEpoch: number): { readonly epoch: number; readonly found: ClaimFound } {
    const owner = this.#partition(partition);
    const { epoch, commitNo, commitId, gen, run, level, clean, diffusedTo, feedTrimmedTo, recovering } = owner;
    owner.epoch = Math.max(epoch, aboveEpoch) + 1;
    owner.token = encodeOwnerToken({ epoch: owner.epoch, uuid });
    return {
      epoch: owner.epoch,
      found: {
        ...{ epoch, commitNo, commitId, gen, run, level },
        ...{ releasedIn: clean, diffusedTo, feedTrimmedTo, recovering },
      },
    };
  }

  commit(commit: Commit): CommitOutcome {
    const fault = commitFault(commit);
    if (fault !== null) return { code: 'conflict', message: `a malformed commit: ${fault}` };
    const owner = this.#partition(commit.partition);
    if (owner.token !== encodeOwnerToken(commit.token)) return { code: 'fenced', heldEpoch: owner.epoch };
    if (owner.commitNo !== commit.commitNo - 1) {
      if (owner.commitNo === commit.commitNo && owner.commitId === commit.commitId) return { code: 'dup' };
      if (owner.commitNo < commit.commitNo) return { code: 'regressed', commitNo: owner.commitNo };
      return { code: 'conflict', message: `the store is at commit ${String(owner.commitNo)}` };
    }
    for (const { actor, expected } of commit.writes) {
      const stored = owner.actors.get(actor)?.head ?? nowhere;
      if (comparePositions(stored, expected) !== 0) return { code: 'conflict', message: `${actor} stands elsewhere` };
    }
    for (const write of commit.writes) this.#write(owner, write);
    this.#finish(owner, commit);
    return { code: 'ok' };
  }

  #write(owner: ModelPartition, { actor, head, entries, set, unset, trimBefore }: ActorWrite): void {
    let record = owner.actors.get(actor);
    if (record === undefined) owner.actors.set(actor, (record = { head, fields: new Map() }));
    record.head = head;
    for (const [field, value] of set) record.fields.set(field, typeof value === 'string' ? utf8(value) : value);
    for (const field of unset) record.fields.delete(field);
    const timeline = owner.timelines.get(actor) ?? [];
    let seq = head.seq - entries.length;
    for (const data of entries) timeline.push({ gen: head.gen, seq: sequenceId((seq += 1)), data });
    const kept = trimBefore === null ? timeline : timeline.filter((entry) => comparePositions(entry, trimBefore) >= 0);
    owner.timelines.set(actor, kept);
  }

  #finish(owner: ModelPartition, commit: Commit): void {
    const { commitNo, commitId, feed, diffusedTo, feedFrom, deadLetters, settle, recovering } = commit;
    if (feed !== null) owner.feed = [...owner.feed, { commitNo, data: feed }];
    if (diffusedTo !== null) owner.diffusedTo = diffusedTo;
    if (feedFrom !== null) {
      owner.feed = owner.feed.filter((entry) => entry.commitNo >= feedFrom);
      owner.feedTrimmedTo = feedFrom - 1;
    }
    if (recovering !== null) owner.recovering = recovering;
    owner.deadLetters = [...owner.deadLetters, ...deadLetters].slice(-DEAD_LETTERS_MAX);
    if (settle !== null) {
      owner.gen = settle.gen;
      owner.run = settle.run;
      owner.level = settle.level;
    }
    owner.commitNo = commitNo;
    owner.commitId = commitId;
    owner.clean = 0;
  }

  release(partition: number, token: string, commitNo: number, givenIn: number): boolean {
    const owner = this.#partition(partition);
    if (owner.token !== token || owner.commitNo !== commitNo) return false;
    owner.clean = givenIn;
    return true;
  }

  /** As its last owner has settled it, 0 before the first. */
  generationOf(partition: number): Generation {
    return this.#partition(partition).gen;
  }

  record(partition: number, actor: string): ActorRecord {
    const { head = null, fields = new Map<string, Uint8Array>() } = this.#partition(partition).actors.get(actor) ?? {};
    return { head, fields: new Map(fields) };
  }

  range(partition: number, actor: string, { from, to, limit, direction }: RangeQuery): readonly TimelineEntry[] {
    const entries = (this.#partition(partition).timelines.get(actor) ?? []).filter(
      (entry) => comparePositions(entry, from) >= 0 && comparePositions(entry, to) <= 0,
    );
    return (direction === 'forward' ? entries : entries.reverse()).slice(0, limit);
  }

  feed(partition: number, afterCommitNo: number, limit: number): readonly FeedEntry[] {
    return this.#partition(partition)
      .feed.filter(({ commitNo }) => commitNo > afterCommitNo)
      .slice(0, limit);
  }

  /** Who has the partition, and what is committed. */
  stands(partition: number): AnsweredAt {
    const { token, commitNo } = this.#partition(partition);
    return { token, commitNo };
  }

  deadLetters(partition: number): readonly Uint8Array[] {
    return this.#partition(partition).deadLetters;
  }
}
