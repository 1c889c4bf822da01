/**
 * How many calls two nodes make to each other through Redis, and how long one takes.
 *
 * Measured: Links, RedisNodeStreams and ioredis, both nodes in this one process and so on one core, against a private
 * Redis without a log on another one. A call carries 200 bytes there and 200 bytes back, and is answered at once.
 * Not measured: what nodes do with a call, several senders, a network.
 *
 * Run: npx esbuild libs/redis-store/bench/node-links.bench.ts --bundle --platform=node --format=cjs \
 *   --loader:.lua=text --outfile=.millrace/node-links.bench.cjs && node .millrace/node-links.bench.cjs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom, systemTimers, type NodeId } from '@millrace/kernel';
import { STORE_FORMAT } from '@millrace/partition';
import { startRedis } from '@millrace/local-redis';
import { defaultLinkLimits, Links } from '@millrace/node-link';
import { RedisStores } from '../src/redis-stores.ts';

const SECONDS = 4;
const IN_FLIGHT = [1, 8, 64, 512, 4_096];
const payload = new Uint8Array(200).fill(120);

async function connect(url: string): Promise<RedisStores> {
  const connected = await RedisStores.connect({
    url,
    ackLevel: 'memory',
    storeFormat: STORE_FORMAT,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
  });
  if (!connected.ok) throw new Error(connected.error.message);
  return connected.value;
}

const linksOf = (stores: RedisStores, self: string): Links =>
  new Links({
    self: self as NodeId,
    streams: stores.nodeStreams,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    limits: defaultLinkLimits,
    log: { warn: console.warn, error: console.error },
    onRequest: (_, request, answer) => answer(request),
    onNote: () => undefined,
    onGap: () => undefined,
    onGone: () => undefined,
  });

interface Figures {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
}

function measure(links: Links, to: NodeId, inFlight: number): Promise<Figures> {
  const waits: number[] = [];
  const startMs = systemClock.monotonicMs();
  const untilMs = startMs + SECONDS * 1_000;
  return new Promise((resolve, reject) => {
    let open = inFlight;
    const next = (): void => {
      const askedMs = systemClock.monotonicMs();
      links.call(to, payload, (outcome) => {
        if (!outcome.ok) {
          reject(new Error(outcome.error.message));
          return;
        }
        const nowMs = systemClock.monotonicMs();
        waits.push(nowMs - askedMs);
        if (nowMs < untilMs) next();
        else if (--open === 0) {
          waits.sort((left, right) => left - right);
          const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? 0;
          resolve({ rate: (waits.length / (nowMs - startMs)) * 1_000, p50: at(0.5), p99: at(0.99) });
        }
      });
    };
    for (let count = 0; count < inFlight; count += 1) next();
  });
}

/** Of the whole Redis: what waits in streams does not grow with the calls. */
async function memoryOf(stores: RedisStores): Promise<string> {
  const health = await stores.health();
  return `${String(Math.round(health.usedMemoryBytes / 1024))} kB in Redis`;
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const started = await startRedis({ dir, processGroup: 'shared', config: { appendonly: 'no' } });
  if (!started.ok) throw new Error(JSON.stringify(started.error));
  try {
    const [one, other] = [await connect(started.value.url), await connect(started.value.url)];
    const [from, to] = [linksOf(one, 'one'), linksOf(other, 'other')];
    for (const links of [from, to]) await links.open();
    await measure(from, 'other' as NodeId, 512);
    for (const inFlight of IN_FLIGHT) {
      const { rate, p50, p99 } = await measure(from, 'other' as NodeId, inFlight);
      const figures = `${Math.round(rate).toLocaleString('en').padStart(9)} calls/s  p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms`;
      console.log(`${String(inFlight).padStart(5)} in flight  ${figures}  ${await memoryOf(one)}`);
    }
    await Promise.all([from.close(), to.close()]);
    for (const stores of [one, other]) stores.close();
  } finally {
    await started.value.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

void main();
