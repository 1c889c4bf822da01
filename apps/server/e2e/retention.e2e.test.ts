import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationId, SequenceId } from '@millrace/kernel';
import { testPostgres } from '@millrace/local-postgres/testing';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const DAY_MS = 24 * 3_600_000;
const tea = 'tea' as ConversationId;
/** Of three days ago, and of today. */
const OLD = 120;
const NEW = 7;

/** A process whose wall clock goes after ours. */
const behindBy = (ms: number): string =>
  `--import=data:text/javascript,${encodeURIComponent(`const now=Date.now;Date.now=()=>now()-${String(ms)}`)}`;

describe.each(['SQLite', 'PostgreSQL'])('a server that keeps messages for some days, with %s', (store) => {
  const postgres = store === 'PostgreSQL' ? testPostgres() : null;
  const redis = testRedis();
  let dir = '';
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);
  const start = (env: Readonly<Record<string, string>>): Promise<MillraceProcess> =>
    startMillrace(redis.url, {
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_ARCHIVE: postgres === null ? `sqlite:${join(dir, 'archive.sqlite')}` : postgres.url,
      MILLRACE_HOT_MESSAGES: '20',
      ...env,
    });

  async function write(count: number, prefix: string): Promise<void> {
    const window = Number((await ask('GET', '/api/v1/conversations/tea')).json['keyWindow']);
    for (let number = 1; number <= count; number += 1) {
      const body = { from: 'ann', key: `${prefix}${String(number)}`, window, body: `${prefix} ${String(number)}` };
      expect((await ask('POST', '/api/v1/conversations/tea/messages', { body })).status).toBe(201);
    }
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-retention-e2e-'));
    millrace = await start({ NODE_OPTIONS: behindBy(3 * DAY_MS) });
    const body = { creator: 'ann', kind: 'group', conversation: 'tea', members: ['ben'], historyPolicy: 'all' };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    await write(OLD, 'old');
    await millrace.stop();
  }, 240_000);
  afterAll(async () => {
    await millrace.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('lets go of what is older in both tiers, and tells where the conversation begins now (I3, I8)', async () => {
    millrace = await start({ MILLRACE_RETENTION_DAYS: '1' });
    await write(NEW, 'new');
    const ben = await connectAs(millrace.socketUrl, 'ben', 'phone');
    const history = async (direction: 'forward' | 'backward', limit = 1_000) => {
      const page = await ben.request({ t: 'history', conversation: tea, direction, limit });
      if (!page.ok) throw new Error(JSON.stringify(page.error));
      return page.value;
    };
    const first = OLD + 2;
    await until('the old messages are gone', async () => (await history('backward')).first === first);
    const expected = Array.from({ length: NEW }, (_, index) => first + index);
    for (const direction of ['forward', 'backward'] as const) {
      const { messages, hasMore } = await history(direction);
      expect(hasMore).toBe(false);
      expect(messages.map(({ seq }) => seq)).toEqual(direction === 'forward' ? expected : expected.toReversed());
    }
    // What is unread is what is there, and numbers go on.
    const list = await ben.request({ t: 'conversations' });
    if (!list.ok) throw new Error(JSON.stringify(list.error));
    expect(list.value.conversations).toMatchObject([{ conversation: tea, msgNo: OLD + NEW, unread: NEW }]);
    for (const seq of [1, first - 1] as SequenceId[]) {
      expect(await ben.request({ t: 'readers', conversation: tea, seq })).toMatchObject({
        ok: false,
        error: { error: { code: 'gone', from: first } },
      });
    }
    expect(await ask('POST', '/api/v1/conversations/tea/messages/5/recall')).toMatchObject({
      status: 410,
      code: 'gone',
    });
    expect((await redis.call('KEYS', '*t:c:tea')) as readonly string[]).toHaveLength(1);
    const [key] = (await redis.call('KEYS', '*t:c:tea')) as readonly string[];
    expect(await redis.call('XLEN', key ?? '')).toBe(NEW);
    const metric = async (name: string): Promise<number> => {
      const { text } = await ask('GET', '/metrics', { key: 'scraper' });
      return sumOf(parseMetrics(text), name);
    };
    expect(await metric('millrace_retired_entries')).toBe(first - 1);
    await until(
      'the archive has nothing of it any more',
      async () => (await metric('millrace_retired_archived')) === 0,
    );
    // What is left of it is whole: the chain begins behind what is gone.
    const chain = await ask('GET', '/api/v1/conversations/tea/chain');
    expect(chain).toMatchObject({ status: 200, json: { broken: [], hot: NEW, next: null } });
    // A new run begins where the last one ended.
    await millrace.restart();
    const again = await connectAs(millrace.socketUrl, 'ben', 'tablet');
    const page = await again.request({ t: 'history', conversation: tea, direction: 'forward' });
    expect(page).toMatchObject({ ok: true, value: { first, hasMore: false } });
    again.close();
    ben.close();
  }, 180_000);
});
