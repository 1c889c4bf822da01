import {
  err,
  generation,
  InvariantViolation,
  ok,
  type NodeId,
  type PartitionId,
  type Random,
  type Result,
  type Timers,
} from '@millrace/kernel';
import {
  encodeOwnerToken,
  type AckLevel,
  type ActorRecord,
  type ClaimAnswer,
  type Commit,
  type CommitIdentity,
  type CommitOutcome,
  type FeedEntry,
  type OwnerToken,
  type PartitionStore,
  type SentCommit,
  type StoreError,
} from '@millrace/partition';
import { decodeHead, type ActorKey, type AnsweredAt } from '@millrace/timeline';
import type { CommitPipe, PackedCommit } from './commit-pipe.ts';
import type { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import { callFunction } from './function-library.ts';
import type { KeyLayout } from './key-layout.ts';
import { messageOf } from './store-errors.ts';
import { streamEntries } from './stream-reply.ts';

/** Fields of a record in one reply: a hash of a large conversation must not hold up Redis for the others. */
const SCAN_FIELDS = 5_000;

export interface RedisPartitionStoreParts {
  readonly pipe: CommitPipe;
  /** Carries commits, claims and releases, in the order in which they were made. */
  readonly commits: Connection;
  readonly reads: Connection;
  readonly layout: KeyLayout;
  readonly timers: Timers;
  readonly random: Random;
  readonly answerMsMax: number;
}

const levelOf = (text: string | null): AckLevel => (text === 'disk' || text === 'replicated' ? text : 'memory');

function claimAnswer(reply: unknown, uuid: string): ClaimAnswer {
  const [epoch, run, found, no, id, gen, settledRun, level, clean, diffused, recovering, trimmed = null] =
    reply as readonly (string | null)[];
  return {
    token: { epoch: Number(epoch), uuid },
    run: run ?? '',
    found: {
      epoch: Number(found ?? 0),
      commitNo: Number(no ?? 0),
      commitId: id ?? '',
      gen: generation(Number(gen ?? 0)),
      run: settledRun ?? '',
      level: levelOf(level ?? null),
      releasedIn: Number(clean ?? 0),
      diffusedTo: Number(diffused ?? 0),
      feedTrimmedTo: trimmed === null ? null : Number(trimmed),
      recovering: generation(Number(recovering ?? 0)),
    },
  };
}

const HEAD = 'h';

function recordOf(fields: Map<string, Uint8Array>): ActorRecord {
  const head = fields.get(HEAD);
  fields.delete(HEAD);
  return { head: head === undefined ? null : decodeHead(Buffer.from(head).toString()), fields };
}

/** {@link PartitionStore} on Redis. What is stored where: key-layout.ts. */
export class RedisPartitionStore implements PartitionStore {
  readonly #parts: RedisPartitionStoreParts;

  constructor(parts: RedisPartitionStoreParts) {
    this.#parts = parts;
  }

  /** A claim whose answer was lost may have been made. It harms nobody: the next one is above it. */
  claim(partition: PartitionId, node: NodeId, aboveEpoch: number): Promise<Result<ClaimAnswer, StoreError>> {
    const { commits, layout, random } = this.#parts;
    const uuid = random.id();
    const keys = [layout.owner(partition)];
    return this.#ask(`${node} could not claim partition ${String(partition)}`, async () =>
      claimAnswer(await callFunction(commits.client, 'claim', keys, [String(aboveEpoch), uuid]), uuid),
    );
  }

  commit(commit: Commit): Promise<CommitOutcome> {
    return this.#parts.pipe.submit(commit);
  }

  sendAgain({ partition, token }: CommitIdentity, sent: SentCommit): Promise<CommitOutcome> {
    // What this store has left it knows again.
    return this.#parts.pipe.submitAgain(partition, token, sent as PackedCommit);
  }

  whenRoom(partition: PartitionId, turn: () => void): void {
    this.#parts.pipe.whenRoom(partition, turn);
  }

  async release(partition: PartitionId, token: OwnerToken, commitNo: number, givenIn: number): Promise<void> {
    const { commits, layout } = this.#parts;
    // When this fails, the next owner only takes more care than it had to.
    const args = [encodeOwnerToken(token), String(commitNo), String(givenIn)];
    await this.#ask('could not release', () =>
      callFunction(commits.client, 'release', [layout.owner(partition)], args),
    );
  }

  loadActor(partition: PartitionId, actor: ActorKey): Promise<Result<ActorRecord, StoreError>> {
    const { reads, layout } = this.#parts;
    const key = layout.record(partition, actor);
    return this.#ask(`could not load ${actor}`, async () => {
      const fields = new Map<string, Uint8Array>();
      let cursor = '0';
      do {
        const [next, values] = await reads.client.hscanBuffer(key, cursor, 'COUNT', SCAN_FIELDS);
        for (let at = 0; at + 1 < values.length; at += 2) {
          const [name, value] = [values[at], values[at + 1]];
          if (name !== undefined && value !== undefined) fields.set(name.toString(), value);
        }
        cursor = next.toString();
      } while (cursor !== '0');
      return recordOf(fields);
    });
  }

  loadFields(
    partition: PartitionId,
    actor: ActorKey,
    fields: readonly string[],
  ): Promise<Result<ActorRecord, StoreError>> {
    const { reads, layout } = this.#parts;
    return this.#ask(`could not load ${actor}`, async () => {
      const names = [HEAD, ...fields];
      const values = await reads.client.hmgetBuffer(layout.record(partition, actor), ...names);
      const found = names.flatMap((name, at): readonly (readonly [string, Uint8Array])[] => {
        const value = values[at] ?? null;
        return value === null ? [] : [[name, value]];
      });
      return recordOf(new Map(found));
    });
  }

  readFeed(
    partition: PartitionId,
    afterCommitNo: number,
    limit: number,
  ): Promise<Result<readonly FeedEntry[], StoreError>> {
    const { reads, layout } = this.#parts;
    return this.#ask(`could not read the changefeed of partition ${String(partition)}`, async () => {
      const from = `${String(afterCommitNo + 1)}-0`;
      const reply = await reads.client.xrangeBuffer(layout.feed(partition), from, '+', 'COUNT', limit);
      return streamEntries(reply, (commitNo, _second, data) => ({ commitNo, data }));
    });
  }

  stands(partition: PartitionId): Promise<Result<AnsweredAt, StoreError>> {
    const { reads, layout } = this.#parts;
    return this.#ask(`could not read where partition ${String(partition)} stands`, async () => {
      const [token, no] = await reads.client.hmget(layout.owner(partition), 'token', 'no');
      return { token: token ?? '', commitNo: Number(no ?? 0) };
    });
  }

  async #ask<T>(what: string, call: () => Promise<T>): Promise<Result<T, StoreError>> {
    try {
      return ok(await answerWithin(this.#parts.timers, this.#parts.answerMsMax, call()));
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      return err({ code: 'unavailable', message: `${what}: ${messageOf(error)}` });
    }
  }
}
