/**
 * How fast Redis takes commits, beside what it takes at best.
 *
 * Measured: CommitPipe, ioredis and the commit function against a private Redis, by default without a log, with `--log`
 * with one that is synced every second, each shape with entries of 200 bytes, two record fields an actor (dedupe counter and seq, as messaging writes
 * them) and a changefeed entry a commit. Partitions are claimed once; each sends its next commit when the last one was
 * answered, as an owner does. The floor is redis-benchmark's XADD of the same 200 bytes with 64 commands in flight.
 * Not measured: fsync a commit, replicas, reads, anything above the store.
 *
 * Run: npx esbuild libs/redis-store/bench/commit.bench.ts --bundle --platform=node --format=cjs --loader:.lua=text \
 *   --outfile=.millrace/commit.bench.cjs && node .millrace/commit.bench.cjs
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generation, partitionId, sequenceId, systemClock, systemRandom, systemTimers, utf8 } from '@millrace/kernel';
import type { NodeId } from '@millrace/kernel';
import { startRedis } from '@millrace/local-redis';
import { type ActorWrite, type Commit, type OwnerToken, STORE_FORMAT } from '@millrace/partition';
import type { ActorKey } from '@millrace/timeline';
import { RedisStores } from '../src/redis-stores.ts';

interface Shape {
  readonly name: string;
  readonly partitions: number;
  readonly actors: number;
  readonly entries: number;
}

const shapes: readonly Shape[] = [
  { name: '1 partition, 50 conversations x 1 entry', partitions: 1, actors: 50, entries: 1 },
  { name: '1 partition, 1 conversation x 50 entries', partitions: 1, actors: 1, entries: 50 },
  { name: '4 partitions, 50 conversations x 1 entry', partitions: 4, actors: 50, entries: 1 },
  { name: '4 partitions, 1 conversation x 50 entries', partitions: 4, actors: 1, entries: 50 },
  { name: '16 partitions, 12 conversations x 1 entry', partitions: 16, actors: 12, entries: 1 },
  { name: '64 partitions, 3 conversations x 1 entry', partitions: 64, actors: 3, entries: 1 },
];
const SECONDS = 3;
const withLog = process.argv.includes('--log');
const entry = new Uint8Array(200).fill(120);
const feed = new Uint8Array(64).fill(102);

class Owner {
  readonly #stores: RedisStores;
  readonly #shape: Shape;
  readonly #partition;
  readonly #token: OwnerToken;
  #commitNo: number;
  readonly #gen: number;
  #seq = 0;
  entries = 0;

  constructor(stores: RedisStores, shape: Shape, partition: number, token: OwnerToken, commitNo: number, gen: number) {
    this.#stores = stores;
    this.#shape = shape;
    this.#partition = partitionId(partition);
    this.#token = token;
    this.#commitNo = commitNo;
    this.#gen = gen;
  }

  #write(actor: number): ActorWrite {
    const seq = this.#seq;
    const next = seq + this.#shape.entries;
    const counter = utf8(`${String(next)}:${String(next)}`);
    const at = { gen: generation(seq === 0 ? 0 : 1), seq: sequenceId(seq) };
    return {
      actor: `c:${String(this.#gen)}-${String(actor)}` as ActorKey,
      expected: at,
      head: { gen: generation(1), seq: sequenceId(next), first: sequenceId(1), past: [] },
      entries: Array.from({ length: this.#shape.entries }, () => entry),
      set: [
        ['d:device-of-the-sender', counter],
        ['n', String(next)],
      ],
      unset: [],
      trimBefore: null,
    };
  }

  async run(untilMs: number): Promise<void> {
    while (systemClock.monotonicMs() < untilMs) {
      this.#commitNo += 1;
      const commit: Commit = {
        partition: this.#partition,
        token: this.#token,
        commitNo: this.#commitNo,
        commitId: this.#commitNo.toString(16).padStart(16, '0'),
        writes: Array.from({ length: this.#shape.actors }, (_, actor) => this.#write(actor)),
        feed,
        diffusedTo: this.#commitNo % 16 === 0 ? this.#commitNo - 8 : null,
        feedFrom: this.#commitNo % 16 === 0 ? this.#commitNo - 7 : null,
        recovering: null,
        deadLetters: [],
        settle: null,
      };
      const outcome = await this.#stores.partitions.commit(commit);
      if (outcome.code !== 'ok') throw new Error(JSON.stringify(outcome));
      this.#seq += this.#shape.entries;
      this.entries += this.#shape.actors * this.#shape.entries;
    }
  }
}

async function measure(url: string, shape: Shape, run: number): Promise<{ rate: number; calls: number; p50: number }> {
  const waits: number[] = [];
  let calls = 0;
  const connected = await RedisStores.connect({
    url,
    ackLevel: 'memory',
    storeFormat: STORE_FORMAT,
    keyPrefix: `r${String(run)}:`,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    observer: {
      commitSent: () => {
        calls += 1;
      },
      commitAnswered: (_, ms) => {
        waits.push(ms);
      },
    },
  });
  if (!connected.ok) throw new Error(connected.error.message);
  const stores = connected.value;
  const owners = await Promise.all(
    Array.from({ length: shape.partitions }, async (_, partition) => {
      const claimed = await stores.partitions.claim(partitionId(partition), 'bench' as NodeId, 0);
      if (!claimed.ok) throw new Error(claimed.error.message);
      const { token, found } = claimed.value;
      return new Owner(stores, shape, partition, token, found.commitNo, run);
    }),
  );
  const startMs = systemClock.monotonicMs();
  await Promise.all(owners.map((owner) => owner.run(startMs + SECONDS * 1_000)));
  const seconds = (systemClock.monotonicMs() - startMs) / 1_000;
  stores.close();
  const sum = owners.reduce((total, { entries }) => total + entries, 0);
  waits.sort((left, right) => left - right);
  return { rate: sum / seconds, calls: calls / seconds, p50: waits[Math.floor(waits.length / 2)] ?? 0 };
}

function floor(port: number | undefined): number {
  const args = [
    '-p',
    String(port),
    '-P',
    '64',
    '-n',
    '1000000',
    '-r',
    '1000',
    '--csv',
    'XADD',
    's:__rand_int__',
    '*',
    'e',
    'x'.repeat(200),
  ];
  const output = execFileSync('redis-benchmark', args, { encoding: 'utf8' });
  return Number(/","([\d.]+)"/.exec(output.trim().split('\n').at(-1) ?? '')?.[1]);
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const started = await startRedis({ dir, processGroup: 'shared', config: { appendonly: withLog ? 'yes' : 'no' } });
  if (!started.ok) throw new Error(JSON.stringify(started.error));
  const redis = started.value;
  try {
    const rates = [floor(redis.port)];
    for (const [run, shape] of shapes.entries()) {
      const { rate, calls, p50 } = await measure(redis.url, shape, run);
      console.log(
        `${shape.name.padEnd(44)} ${Math.round(rate).toLocaleString('en').padStart(9)} entries/s  ${Math.round(calls).toLocaleString('en').padStart(7)} calls/s  p50 ${p50.toFixed(2)} ms`,
      );
    }
    rates.push(floor(redis.port));
    console.log(
      `floor: XADD -P 64 before and after: ${rates.map((rate) => Math.round(rate).toLocaleString('en')).join(' and ')}/s`,
    );
  } finally {
    await redis.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

void main();
