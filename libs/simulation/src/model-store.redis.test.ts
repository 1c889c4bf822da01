import { partitionId, generation, seededRandom, systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import type { NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { type Commit, type CommitOutcome, type OwnerToken, STORE_FORMAT } from '@millrace/partition';
import { actorKey, at, commitIdOf } from '@millrace/partition/conformance';
import { RedisStores } from '@millrace/redis-store';
import fc from 'fast-check';
import { epochOf } from '@millrace/timeline';
import { afterAll, expect, it } from 'vitest';
import { ModelStore } from './model-store.ts';
import { ACTORS, actorWrite, flawed, step, type Accepted, type Step } from './testing/random-steps.ts';

const redis = testRedis();
const SEED = 20_260_301;
const RUNS = 200;
const PARTITIONS = [0, 11];
const everything = {
  from: at(0, 0),
  to: at(99, Number.MAX_SAFE_INTEGER),
  limit: 10_000,
  direction: 'forward',
} as const;

type Ports = Pick<RedisStores, 'partitions' | 'timelines'>;

const plain = (outcome: CommitOutcome): unknown => (outcome.code === 'conflict' ? { code: 'conflict' } : outcome);

/** Does the same on one of the two, with that one's own tokens. */
class Side {
  readonly ports: Ports;
  readonly #tokens = new Map<number, OwnerToken[]>();

  constructor(ports: Ports) {
    this.ports = ports;
  }

  #token(partition: number, back: number): OwnerToken {
    return this.#tokens.get(partition)?.at(-1 - back) ?? { epoch: 0, uuid: '0'.repeat(32) };
  }

  async do(step: Step, commit: Omit<Commit, 'token'> | null): Promise<unknown> {
    const { partitions, timelines } = this.ports;
    const partition = PARTITIONS[step.partition] ?? 0;
    const id = partitionId(partition);
    switch (step.do) {
      case 'claim': {
        const claimed = await partitions.claim(id, 'n1' as NodeId, step.above);
        if (!claimed.ok) return claimed;
        this.#tokens.set(partition, [...(this.#tokens.get(partition) ?? []), claimed.value.token]);
        return { epoch: claimed.value.token.epoch, found: claimed.value.found };
      }
      case 'release': {
        await partitions.release(id, this.#token(partition, step.old ? 1 : 0), step.commitNo, step.givenIn);
        return;
      }
      case 'commit': {
        const held = this.#token(partition, step.flaw === 'old-token' ? 1 : 0);
        const token = step.flaw === 'wrong-uuid' ? { ...held, uuid: 'e'.repeat(32) } : held;
        return commit === null ? null : plain(await partitions.commit({ ...commit, token }));
      }
      case 'read': {
        const actor = ACTORS[step.actor] ?? actorKey('c:none');
        const { limit, direction } = step;
        const query = { from: at(...step.from), to: at(...step.to), limit, direction };
        const entries = await timelines.range(id, actor, query);
        const one = await timelines.at(id, actor, query.from);
        return shown([
          entries,
          one,
          await partitions.loadActor(id, actor),
          await partitions.readFeed(id, step.after, limit),
        ]);
      }
    }
  }

  async stored(): Promise<unknown> {
    const all: unknown[] = [];
    for (const partition of PARTITIONS.map(partitionId)) {
      for (const actor of ACTORS) {
        all.push(await this.ports.partitions.loadActor(partition, actor));
        all.push(await this.ports.timelines.range(partition, actor, everything));
      }
      all.push(await this.ports.partitions.readFeed(partition, 0, 10_000));
      const stands = await this.ports.partitions.stands(partition);
      // Each draws what stands behind the number of its claims.
      all.push(stands.ok ? [epochOf(stands.value), stands.value.commitNo] : stands);
    }
    return shown(all);
  }
}

/** Plain values, so that bytes of a Buffer and of a Uint8Array compare, and fields in any order. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (value instanceof Map) return [...value].map(([name, bytes]) => `${String(name)}=${String(shown(bytes))}`).sort();
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shown(inner)]));
}

const redisStores: RedisStores[] = [];
afterAll(() => {
  for (const stores of redisStores) stores.close();
});

async function openRedis(keyPrefix: string): Promise<RedisStores> {
  const opened = await RedisStores.connect({
    url: redis.url,
    ackLevel: 'memory',
    storeFormat: STORE_FORMAT,
    keyPrefix,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
  });
  if (!opened.ok) throw new Error(opened.error.message);
  redisStores.push(opened.value);
  return opened.value;
}

it(`the model and Redis answer alike and store alike, whatever is asked of them (I2, I3, I5; seed ${String(SEED)})`, async () => {
  let run = 0;
  const codes = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), async (steps) => {
      run += 1;
      const prefix = `run${String(run)}:`;
      const real = await openRedis(prefix);
      const model = new ModelStore({ clock: systemClock, timers: systemTimers, random: seededRandom(run) });
      const sides = [new Side(real), new Side(model)] as const;
      const accepted = new Map(
        PARTITIONS.map((id): [number, Accepted] => [id, { commitNo: 0, last: null, gen: 1, heads: new Map() }]),
      );
      let number = 0;
      for (const next of [
        ...PARTITIONS.map((_, partition) => ({ do: 'claim', partition, above: 0 }) as const),
        ...steps,
      ]) {
        let commit: Omit<Commit, 'token'> | null = null;
        const known = next.do === 'commit' ? accepted.get(PARTITIONS[next.partition] ?? 0) : undefined;
        if (next.do === 'commit' && known !== undefined) {
          number += 1;
          const commitNo = known.commitNo + 1;
          const sound: Omit<Commit, 'token'> = {
            partition: partitionId(PARTITIONS[next.partition] ?? 0),
            commitNo,
            commitId: commitIdOf(number),
            writes: next.writes.map((planned) => actorWrite(known, planned)),
            feed: next.feed,
            diffusedTo: next.diffused === null ? null : Math.max(0, commitNo - next.diffused),
            feedFrom: next.diffused === null ? null : Math.max(1, commitNo - next.diffused + 1 - next.keeps),
            recovering: next.recovering === null ? null : generation(next.recovering),
            deadLetters: next.deadLetters,
            settle: next.settle === null ? null : { gen: generation(known.gen), run: 'a/b', level: next.settle },
          };
          commit = flawed(sound, next.flaw, known);
        }
        const [ofRedis, ofModel] = [await sides[0].do(next, commit), await sides[1].do(next, commit)];
        expect(ofModel).toEqual(ofRedis);
        if (next.do !== 'commit' || commit === null || known === undefined) continue;
        const { code } = ofRedis as CommitOutcome;
        codes.set(code, (codes.get(code) ?? 0) + 1);
        if (code !== 'ok') continue;
        known.commitNo = commit.commitNo;
        known.last = commit;
        for (const { actor, head } of commit.writes) known.heads.set(actor, head);
      }
      expect(await sides[1].stored()).toEqual(await sides[0].stored());
      for (const partition of PARTITIONS) {
        const letters = await redis.call('XLEN', `${prefix}{p${String(partition)}}:dead`);
        expect(model.state.deadLetters(partitionId(partition))).toHaveLength(Number(letters));
      }
      real.close();
    }),
    { seed: SEED, numRuns: RUNS },
  );
  // Each answer was met often: a generator that made only one kind would compare nothing.
  for (const code of ['ok', 'dup', 'fenced', 'regressed', 'conflict'] as const) {
    expect(codes.get(code), code).toBeGreaterThan(20);
  }
  expect(codes.get('ok')).toBeGreaterThan(RUNS * 5);
}, 120_000);
