import { seededRandom, type ConversationId, type Random } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Encoding } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadableEngines } from './support/engines.ts';
import { hostileMessage } from './support/hostile-frames.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { PlainSocket } from './support/plain-socket.ts';
import { mebibytes, residentBytes } from './support/process-memory.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const SEED = 20_261_123;
const SOCKETS = 40;
const MESSAGES = 100_000;
/** Enough for the server's code to be compiled, its pools filled and its caches full. */
const WARM_UP = 40_000;
const GROWTH_BYTES_MAX = 48 * 1_048_576;
/** Messages sent without waiting for an answer: of a device, and of who will be thrown out at the first of them. */
const BATCH = { device: 50, stranger: 4 };
/** Who asks for nothing better than to be closed may find a connection closed that it has only begun: then it comes back. */
const REFUSED_MAX = 5;
/** Of four messages three come from devices: of a stranger's only the first is looked at. */
const DEVICE_SHARE = 0.75;

/** One hostile client: sends, and when it is thrown out comes back and goes on. */
class Attacker {
  readonly #url: string;
  readonly #random: Random;
  readonly #encoding: Encoding;
  /** Null for one that never says who it is. */
  readonly #user: string | null;
  sent = 0;
  thrownOut = 0;
  answered = 0;
  /** Times that it was not let in, or thrown out before it had said anything. */
  refused = 0;

  constructor(url: string, index: number) {
    this.#url = url;
    this.#random = seededRandom(SEED + index);
    this.#encoding = index % 4 < 2 ? 'json' : 'binary';
    this.#user = index % 2 === 0 ? `attacker-${String(index)}` : null;
  }

  /** @param each - how many each attacker would send if all sent as many. */
  async send(each: number): Promise<void> {
    const batch = this.#user === null ? BATCH.stranger : BATCH.device;
    const share = this.#user === null ? 1 - DEVICE_SHARE : DEVICE_SHARE;
    for (let left = each * 2 * share; left > 0;) {
      const socket = await this.#open().catch((error: unknown) => {
        this.refused += 1;
        if (this.refused > REFUSED_MAX) throw error;
        return null;
      });
      if (socket === null) continue;
      while (left > 0 && !socket.isClosed) {
        const size = Math.min(left, batch);
        for (let index = 0; index < size; index += 1) socket.send(hostileMessage(this.#random, this.#encoding));
        left -= size;
        this.sent += size;
        // An answer to the ping behind them, or the close: the server has seen them all, or wants to see no more.
        await socket.ask({ t: 'ping' }).catch(() => (this.thrownOut += 1));
        this.answered += socket.frames.splice(0).length;
      }
      socket.cut();
    }
  }

  async #open(): Promise<PlainSocket> {
    const options = { encoding: this.#encoding };
    if (this.#user === null) return PlainSocket.open(this.#url, options);
    return PlainSocket.connect(this.#url, await tokenFor(this.#user), 'd', options);
  }
}

describe.each(loadableEngines)('100,000 random and mutated messages against the real server on %s', (engine) => {
  const redis = testRedis();
  let millrace: MillraceProcess;

  beforeEach(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_PARTITIONS: '16',
      MILLRACE_ACTORS_MAX: '500',
      // As many as can be looked at: that they come fast is not what is tested here.
      MILLRACE_FRAMES_PER_SECOND: '1000000',
      MILLRACE_CONNECTS_PER_SECOND: '1000000',
      MILLRACE_LOG_LEVEL: 'warn',
      // With room to spare the garbage collector lets memory grow for a long time before it looks at it. A server at rest takes
      // 48 MB of heap, 7 of them for the jobs, and this load some 17 more.
      NODE_OPTIONS: '--max-old-space-size=80 --max-semi-space-size=4',
    });
  });
  afterEach(async () => {
    await millrace.stop();
  });

  it('(I9) neither crash it nor grow its memory, and others are served meanwhile', async () => {
    const { pid } = millrace;
    const metrics = async () => parseMetrics(await (await fetch(`${millrace.httpUrl}/metrics`)).text());
    const conversation = 'quiet' as ConversationId;
    const good = await connectAs(millrace.socketUrl, 'good', 'd');
    expect((await good.request({ t: 'create', kind: 'group', conversation, members: [] })).ok).toBe(true);
    let isOver = false;
    const ackMs: number[] = [];
    const goOn = async (): Promise<void> => {
      for (let n = 1; !isOver; n += 1) {
        const sentAtMs = performance.now();
        const ack = await good.request({
          t: 'send',
          conversation,
          n,
          sentAt: n,
          type: 'text',
          body: `message ${String(n)}`,
        });
        if (!ack.ok) throw new Error(`message ${String(n)} was not acknowledged: ${JSON.stringify(ack.error)}`);
        ackMs.push(performance.now() - sentAtMs);
      }
    };
    const attackers = Array.from({ length: SOCKETS }, (_, index) => new Attacker(millrace.socketUrl, index));
    const attack = (messages: number): Promise<unknown> =>
      Promise.all(attackers.map((attacker) => attacker.send(messages / SOCKETS)));
    const going = goOn();
    // Awaited at the end; until then a failure is not to end the test run.
    going.catch(() => undefined);

    await attack(WARM_UP);
    const warm = residentBytes(pid);
    await attack((MESSAGES - WARM_UP) / 2);
    const half = residentBytes(pid);
    await attack((MESSAGES - WARM_UP) / 2);
    const end = residentBytes(pid);
    const read = sumOf(await metrics(), 'millrace_frames_in_total');
    isOver = true;
    await going;
    expect(read).toBeGreaterThan(MESSAGES);

    const sum = (of: (attacker: Attacker) => number): number => attackers.reduce((total, one) => total + of(one), 0);
    expect(sum(({ sent }) => sent)).toBe(MESSAGES);
    expect(sum(({ answered }) => answered)).toBeGreaterThan(MESSAGES / 2);
    expect(sum(({ thrownOut }) => thrownOut)).toBeGreaterThan(100);
    const worst = Math.max(...ackMs);
    console.info(
      `${engine}: ${String(sum(({ sent }) => sent))} messages, ${String(read)} frames read, ${String(sum(({ answered }) => answered))} frames back, ` +
        `${String(sum(({ thrownOut }) => thrownOut))} times thrown out, ${String(sum(({ refused }) => refused))} times not let in; resident ${mebibytes(warm)} after the first ` +
        `${String(WARM_UP)}, then ${mebibytes(half)}, in the end ${mebibytes(end)}; ` +
        `${String(ackMs.length)} acks of another client meanwhile, the slowest after ${worst.toFixed(0)} ms`,
    );
    expect(end - warm).toBeLessThan(GROWTH_BYTES_MAX);
    expect(ackMs.length).toBeGreaterThan(50);
    expect(worst).toBeLessThan(5_000);
    expect(millrace.pid).toBe(pid);
    expect(millrace.log()).not.toMatch(/defect|InvariantViolation|uncaught/i);
    const messages = await readAll(good, conversation);
    expect(messages.map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: ackMs.length + 1 }, (_, index) => index + 1),
    );
    await until('the attackers are gone', async () => sumOf(await metrics(), 'millrace_sockets_open') === 1);
    good.close();
  }, 240_000);
});
