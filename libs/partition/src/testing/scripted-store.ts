import { err, generation, ok, type NodeId, type PartitionId, type Result } from '@millrace/kernel';
import { comparePositions, type ActorKey, type AnsweredAt, type TimelineHead } from '@millrace/timeline';
import type { ClaimAnswer, ClaimFound, Commit, CommitIdentity, CommitOutcome, SentCommit } from '../commit.ts';
import type { OwnerToken } from '../owner-token.ts';
import type { ActorRecord, FeedEntry, PartitionStore, StoreError } from '../partition-store.ts';

interface Stored {
  readonly head: TimelineHead;
  readonly fields: ReadonlyMap<string, Uint8Array>;
}

/** What one moment of the store holds: a later one may go back to it. */
export interface Moment {
  readonly found: ClaimFound;
  readonly actors: ReadonlyMap<ActorKey, Stored>;
}

/** What happens to the next commit: `execute` is whether it gets in, `answer` replaces what is said of it. */
export interface Fate {
  readonly execute: boolean;
  readonly answer?: CommitOutcome;
}

const encoder = new TextEncoder();

/** What the store leaves of a commit that was sent. */
class Left implements SentCommit {
  readonly bytes = new Uint8Array(100);
  readonly commit: Commit;

  constructor(commit: Commit) {
    this.commit = commit;
  }
}

/** One partition in memory whose answers a test holds back, replaces or loses. */
export class ScriptedStore implements PartitionStore {
  run = 'run-1';
  isAway = false;
  /** Commits in the order in which they were executed. */
  readonly executed: Commit[] = [];
  /** Commits in the order in which they were sent. */
  readonly sent: Commit[] = [];
  readonly released: OwnerToken[] = [];
  claims = 0;
  loads = 0;
  readonly fates: Fate[] = [];
  /** While true, answers to commits wait for {@link letGo}. */
  isHolding = false;
  #held: (() => void)[] = [];
  #token: OwnerToken = { epoch: 0, uuid: '' };
  #moment: Moment = {
    found: {
      epoch: 0,
      commitNo: 0,
      commitId: '',
      gen: generation(0),
      run: '',
      level: 'memory',
      releasedIn: 0,
      diffusedTo: 0,
      feedTrimmedTo: null,
      recovering: generation(0),
    },
    actors: new Map(),
  };

  get moment(): Moment {
    return this.#moment;
  }

  get inFlight(): number {
    return this.#held.length;
  }

  /** Goes back to what it held before: acknowledged commits may be gone, with the claim that came after. */
  goBackTo(moment: Moment, run = this.run): void {
    this.#moment = moment;
    this.#token = { epoch: moment.found.epoch, uuid: '' };
    this.run = run;
  }

  /** Answers everything that was held back. */
  letGo(): void {
    const held = this.#held;
    this.#held = [];
    for (const answer of held) answer();
  }

  claim(_partition: PartitionId, node: NodeId, aboveEpoch: number): Promise<Result<ClaimAnswer, StoreError>> {
    this.claims += 1;
    if (this.isAway) return Promise.resolve(err({ code: 'unavailable', message: 'away' }));
    const found = this.#moment.found;
    const epoch = Math.max(found.epoch, aboveEpoch) + 1;
    this.#token = { epoch, uuid: `${node}-${String(this.claims)}` };
    this.#moment = { ...this.#moment, found: { ...found, epoch } };
    return Promise.resolve(ok({ token: this.#token, found, run: this.run }));
  }

  commit(commit: Commit): Promise<CommitOutcome> {
    if (commit.memo !== undefined) commit.memo.sent = new Left(commit);
    this.sent.push(commit);
    const fate = this.fates.shift() ?? { execute: true };
    const judged = fate.execute && !this.isAway ? this.#execute(commit) : null;
    const answer = this.isAway
      ? ({ code: 'unknown', message: 'away' } as const)
      : (fate.answer ?? judged ?? ({ code: 'unknown', message: 'lost' } as const));
    if (!this.isHolding) return Promise.resolve(answer);
    return new Promise((resolve) => {
      this.#held.push(() => {
        resolve(answer);
      });
    });
  }

  sendAgain(identity: CommitIdentity, sent: SentCommit): Promise<CommitOutcome> {
    if (!(sent instanceof Left)) throw new Error('this is not what the store has left');
    return this.commit({ ...sent.commit, ...identity });
  }

  #execute(commit: Commit): CommitOutcome {
    const { found, actors } = this.#moment;
    if (commit.token.epoch !== this.#token.epoch || commit.token.uuid !== this.#token.uuid) {
      return { code: 'fenced', heldEpoch: this.#token.epoch };
    }
    if (commit.commitNo === found.commitNo && commit.commitId === found.commitId) return { code: 'dup' };
    if (commit.commitNo !== found.commitNo + 1) return { code: 'regressed', commitNo: found.commitNo };
    const next = new Map(actors);
    for (const { actor, expected, head, set, unset } of commit.writes) {
      const before = actors.get(actor);
      if (comparePositions(before?.head ?? { gen: generation(0), seq: 0 as never }, expected) !== 0) {
        return { code: 'conflict', message: actor };
      }
      const fields = new Map(before?.fields);
      for (const [field, value] of set) fields.set(field, typeof value === 'string' ? encoder.encode(value) : value);
      for (const field of unset) fields.delete(field);
      next.set(actor, { head, fields });
    }
    const { commitNo, commitId, settle } = commit;
    const diffusedTo = commit.diffusedTo ?? found.diffusedTo;
    const recovering = commit.recovering ?? found.recovering;
    const feedTrimmedTo = commit.feedFrom === null ? found.feedTrimmedTo : commit.feedFrom - 1;
    const after = { ...found, commitNo, commitId, diffusedTo, feedTrimmedTo, recovering, ...settle, releasedIn: 0 };
    this.#moment = { actors: next, found: after };
    this.executed.push(commit);
    return { code: 'ok' };
  }

  release(_partition: PartitionId, token: OwnerToken, _commitNo: number, givenIn: number): Promise<void> {
    this.released.push(token);
    this.#moment = { ...this.#moment, found: { ...this.#moment.found, releasedIn: givenIn } };
    return Promise.resolve();
  }

  loadFields(partition: PartitionId, actor: ActorKey): Promise<Result<ActorRecord, StoreError>> {
    return this.loadActor(partition, actor);
  }

  loadActor(_partition: PartitionId, actor: ActorKey): Promise<Result<ActorRecord, StoreError>> {
    this.loads += 1;
    if (this.isAway) return Promise.resolve(err({ code: 'unavailable', message: 'away' }));
    const stored = this.#moment.actors.get(actor);
    return Promise.resolve(ok({ head: stored?.head ?? null, fields: stored?.fields ?? new Map() }));
  }

  readFeed(): Promise<Result<readonly FeedEntry[], StoreError>> {
    return Promise.resolve(ok([]));
  }

  stands(): Promise<Result<AnsweredAt, StoreError>> {
    return Promise.resolve(ok({ token: '', commitNo: 0 }));
  }
}
