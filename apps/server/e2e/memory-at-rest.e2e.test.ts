import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const MIB = 1_048_576;
const ROUNDS_MAX = 60;
const WRITERS = 8;

const send = (writer: RawSession, conversation: ConversationId, n: number) =>
  writer.request({ t: 'send', conversation, n, sentAt: n, type: 'text', body: 'x'.repeat(30_000) });

describe('a server with a large young generation', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  beforeAll(async () => {
    millrace = await startMillrace(redis.url, { NODE_OPTIONS: '--max-semi-space-size=64' });
  });
  afterAll(() => millrace.stop());
  const youngMebibytes = async (): Promise<number> => {
    const answer = await fetch(`${millrace.httpUrl}/metrics`);
    return sumOf(parseMetrics(await answer.text()), 'nodejs_heap_space_size_total_bytes', { space: 'new' }) / MIB;
  };

  it('gives back what it has grown to when the load is over', { timeout: 60_000 }, async () => {
    const names = Array.from({ length: WRITERS }, (_, index) => `writer-${String(index)}`);
    const writers = await Promise.all(names.map((name) => connectAs(millrace.socketUrl, name, 'd1')));
    const [first] = writers;
    const created = await first?.request({ t: 'create', kind: 'group', members: names.slice(1) as UserId[] });
    if (created?.ok !== true) throw new Error(JSON.stringify(created));
    const { conversation } = created.value;
    let n = 0;
    // What is under way is not garbage yet: that is what the young generation grows by.
    for (let round = 0; round < ROUNDS_MAX && (await youngMebibytes()) <= 36; round += 1) {
      const numbers = Array.from({ length: 20 }, (_, index) => n + index + 1);
      n += numbers.length;
      const acks = await Promise.all(
        writers.flatMap((writer) => numbers.map((number) => send(writer, conversation, number))),
      );
      for (const ack of acks) expect(ack.ok).toBe(true);
    }
    expect(await youngMebibytes()).toBeGreaterThan(36);
    await until('the young generation is small again', async () => {
      // Asked all the time it would not be at rest.
      await sleep(500);
      return (await youngMebibytes()) < 8;
    });
    for (const writer of writers) {
      expect((await send(writer, conversation, n + 1)).ok).toBe(true);
      writer.close();
    }
  });
});
