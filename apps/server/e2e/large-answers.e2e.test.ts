import { memoryStorage } from '@millrace/client';
import type { UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device } from './support/device.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const MESSAGES = 300;

describe('conversations of large messages', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  beforeAll(async () => {
    millrace = await startMillrace(redis.url);
  });
  afterAll(() => millrace.stop());
  const readFromRedis = async (): Promise<number> =>
    Number(/total_net_output_bytes:(\d+)/.exec(String(await redis.call('INFO', 'stats')))?.[1] ?? 0);

  it(
    '(I9) an answer stays near a megabyte, and pages and syncs still bring everything once',
    { timeout: 60_000 },
    async () => {
      const body = 'x'.repeat(30_000);
      const storage = memoryStorage();
      const reader = await device(millrace.socketUrl, 'rita', { storage });
      await reader.client.close();
      const writer = await connectAs(millrace.socketUrl, 'walt', 'd1');
      const created = await writer.request({ t: 'create', kind: 'group', members: ['rita' as UserId] });
      if (!created.ok) throw new Error(JSON.stringify(created.error));
      const { conversation } = created.value;
      for (let n = 1; n <= MESSAGES; n += 20) {
        const sends = Array.from({ length: 20 }, (_, index) =>
          writer.request({ t: 'send', conversation, n: n + index, sentAt: n + index, type: 'text', body }),
        );
        for (const ack of await Promise.all(sends)) expect(ack.ok).toBe(true);
      }
      const page = await writer.request({ t: 'history', conversation, direction: 'backward', limit: 1_000 });
      expect(page.ok && page.value.hasMore).toBe(true);
      expect(page.ok ? page.value.messages.length : 0).toBeLessThanOrEqual(35);
      expect((await readAll(writer, conversation)).map(({ seq }) => Number(seq))).toEqual(
        Array.from({ length: MESSAGES + 1 }, (_, index) => index + 1),
      );

      const before = await readFromRedis();
      const again = await device(millrace.socketUrl, 'rita', { storage });
      await until('the device has caught up', () => (again.heard.get(conversation)?.length ?? 0) >= MESSAGES + 1);
      expect(again.heard.get(conversation)?.map(({ seq }) => Number(seq))).toEqual(
        Array.from({ length: MESSAGES + 1 }, (_, index) => index + 1),
      );
      // Each page reads what goes into it, and not all that is left.
      expect((await readFromRedis()) - before).toBeLessThan(3 * MESSAGES * body.length);
      await again.client.close();
      writer.close();
    },
  );
});
