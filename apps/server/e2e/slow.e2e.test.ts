import type { ConversationId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadableEngines } from './support/engines.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { PlainSocket, type PlainFrame } from './support/plain-socket.ts';
import { mebibytes, residentBytes } from './support/process-memory.ts';
import { connectAs } from './support/read-back.ts';
import { tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const CONVERSATION = 'flood' as ConversationId;
const BODY = 'x'.repeat(30_000);
const IN_FLIGHT = 16;
/** 60 MB: more than the system itself takes for a connection whose peer does not read. */
const MESSAGES = 2_000;
const SEND_BUFFER_BYTES = 262_144;
const GROWTH_BYTES_MAX = 96 * 1_048_576;

/** What a device has of the conversation, held together by the rules of docs/protocol.md. */
class FollowingDevice {
  readonly socket: PlainSocket;
  readonly seqs = new Set<number>();
  resyncs = 0;
  pushes = 0;
  /** Pushes whose `prev` is not where the device stood: a hole that nobody told of. */
  readonly holes: string[] = [];
  #token: unknown;
  #inbox = 0;
  #looked = 0;
  #mustSync = false;

  constructor(socket: PlainSocket) {
    this.socket = socket;
  }

  async sync(): Promise<void> {
    for (let hasMore = true; hasMore;) {
      const token = this.#token === undefined ? {} : { token: this.#token };
      const answer = await this.socket.ask({ t: 'sync', limit: 200, ...token });
      if (answer['t'] !== 'synced') throw new Error(`the sync was refused: ${JSON.stringify(answer)}`);
      if (answer['tooLong'] === true && this.#token !== undefined) throw new Error('the inbox was trimmed');
      for (const delta of answer['conversations'] as readonly {
        readonly messages: readonly { readonly seq: number }[];
      }[]) {
        for (const { seq } of delta.messages) this.seqs.add(seq);
      }
      this.#token = answer['token'];
      this.#inbox = (answer['inbox'] as { readonly seq: number }).seq;
      hasMore = answer['hasMore'] === true;
    }
    // What was pushed before the last answer is covered by it.
    this.#lookUntil((frame) => frame['t'] === 'synced' && frame['hasMore'] !== true);
    this.#mustSync = false;
  }

  /** Looks at what came since, in order. @returns whether the device was told to sync. */
  look(): boolean {
    for (; this.#looked < this.socket.frames.length; this.#looked += 1)
      this.#frame(this.socket.frames[this.#looked] ?? {});
    return this.#mustSync;
  }

  #lookUntil(isLast: (frame: PlainFrame) => boolean): void {
    const last = this.socket.frames.findLastIndex(isLast);
    for (; this.#looked < last + 1; this.#looked += 1) {
      const frame = this.socket.frames[this.#looked] ?? {};
      if (frame['t'] === 'push') this.#add(frame);
      if (frame['t'] === 'resync') this.resyncs += 1;
    }
  }

  #add(frame: PlainFrame): void {
    this.pushes += 1;
    for (const item of frame['items'] as readonly { readonly messages?: readonly { readonly seq: number }[] }[]) {
      for (const { seq } of item.messages ?? []) this.seqs.add(seq);
    }
  }

  #frame(frame: PlainFrame): void {
    if (frame['t'] === 'resync') {
      this.resyncs += 1;
      this.#mustSync = true;
    }
    if (frame['t'] !== 'push' || Number(frame['seq']) <= this.#inbox) return;
    if (frame['prev'] !== this.#inbox) {
      this.holes.push(`a push follows on ${String(frame['prev'])}, the device stands at ${String(this.#inbox)}`);
      return;
    }
    this.#add(frame);
    this.#inbox = Number(frame['seq']);
  }
}

describe.each(loadableEngines)('a device that stops reading, on %s', (engine) => {
  const redis = testRedis();
  let millrace: MillraceProcess;

  beforeEach(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_PARTITIONS: '16',
      MILLRACE_SEND_BUFFER_BYTES_MAX: String(SEND_BUFFER_BYTES),
      MILLRACE_ACTORS_MAX: '100',
    });
  });
  afterEach(async () => {
    await millrace.stop();
  });

  const following = async (user: string, encoding: 'json' | 'binary'): Promise<FollowingDevice> => {
    const socket = await PlainSocket.connect(millrace.socketUrl, await tokenFor(user), 'd', { encoding });
    return new FollowingDevice(socket);
  };
  let n = 0;
  const flood = async (sender: RawSession, count: number): Promise<readonly number[]> => {
    const ms: number[] = [];
    const one = async (): Promise<void> => {
      while (ms.length < count) {
        n += 1;
        const sentAtMs = performance.now();
        ms.push(0);
        const at = ms.length - 1;
        const answer = await sender.request({
          t: 'send',
          conversation: CONVERSATION,
          n,
          sentAt: n,
          type: 'text',
          body: BODY,
        });
        if (!answer.ok) throw new Error(`a message was refused: ${JSON.stringify(answer.error)}`);
        ms[at] = performance.now() - sentAtMs;
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
    return ms;
  };
  const percentile = (values: readonly number[], share: number): number =>
    [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0;

  it('(I9) costs bounded memory, delays nobody, is told exactly one resync, and by syncing has everything', async () => {
    n = 0;
    const sender = await connectAs(millrace.socketUrl, 'sender', 'd');
    const members = ['sloth', 'quick'] as never[];
    expect((await sender.request({ t: 'create', kind: 'group', conversation: CONVERSATION, members })).ok).toBe(true);
    const [sloth, quick] = [await following('sloth', 'json'), await following('quick', 'binary')];
    for (const device of [sloth, quick]) {
      await device.sync();
      // A new device gets a snapshot: what was before, it pages. Here that is the entry of the creation.
      device.seqs.add(1);
    }

    // Warm: both read, nobody is behind.
    const before = await flood(sender, MESSAGES / 4);
    await until('both have everything', () => {
      const told = [sloth, quick].map((device) => device.look());
      expect(told).toEqual([false, false]);
      return [sloth, quick].every(({ seqs }) => seqs.size === n + 1);
    });
    const warm = residentBytes(millrace.pid);

    sloth.socket.pause();
    const meanwhile = await flood(sender, MESSAGES);
    const full = residentBytes(millrace.pid);
    const sent = n + 1;
    await until('the device that reads has everything', () => {
      quick.look();
      return quick.seqs.size === sent;
    });
    expect([quick.resyncs, quick.holes]).toEqual([0, []]);
    expect(percentile(meanwhile, 0.99)).toBeLessThan(Math.max(2_000, 5 * percentile(before, 0.99)));
    expect(full - warm).toBeLessThan(GROWTH_BYTES_MAX);

    const pushedBefore = sloth.seqs.size;
    sloth.socket.resume();
    await until('the device is told', () => sloth.look() || sloth.socket.isClosed);
    if (sloth.socket.isClosed) expect((await sloth.socket.closed).code).toBe(4100);
    expect([sloth.resyncs, sloth.holes]).toEqual([1, []]);
    expect(sloth.seqs.size).toBeLessThan(sent);
    expect(sloth.seqs.size).toBeGreaterThan(pushedBefore);
    await sloth.sync();
    expect([...sloth.seqs].sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, index) => index + 1));

    // And it goes on live.
    await flood(sender, 50);
    await until('the pushes go on', () => {
      expect(sloth.look()).toBe(false);
      return sloth.seqs.size === n + 1;
    });
    expect([sloth.resyncs, sloth.holes]).toEqual([1, []]);
    console.info(
      `${engine}: resident ${mebibytes(warm)} before and ${mebibytes(full)} after ${mebibytes(MESSAGES * BODY.length)} for a device ` +
        `that does not read; acks p99 ${percentile(before, 0.99).toFixed(1)} ms before, ${percentile(meanwhile, 0.99).toFixed(1)} ms meanwhile`,
    );
    for (const device of [sloth, quick]) device.socket.cut();
    sender.close();
  }, 240_000);
});
