import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FedIndex, switchable, type FedIndexOptions } from './testing/fed-index.ts';

/** Light load: a hundred a second, a hundredth of what a node takes. */
const SEND_EVERY_MS = 10;
const LOOK_EVERY_MS = 20;

const redis = testRedis();
const opened: FedIndex[] = [];

async function start(options: Partial<FedIndexOptions> = {}): Promise<FedIndex> {
  const fed = await FedIndex.start({ redisUrl: redis.url, ...options });
  opened.push(fed);
  return fed;
}

/** Stops it without taking its index along. */
async function leave(fed: FedIndex): Promise<string> {
  opened.splice(opened.indexOf(fed), 1);
  await fed.stop(true);
  return fed.directory;
}

const finds = (fed: FedIndex, text: string, conversations = ['room']) =>
  expect.poll(() => fed.found(text, conversations), { timeout: 20_000, interval: 20 });

beforeEach(async () => {
  await redis.flush();
});
afterEach(async () => {
  for (const fed of opened.splice(0)) await fed.stop();
});

describe('what a node commits', () => {
  it('is found by the index, as it stands now', async () => {
    const fed = await start();
    await fed.create('room', ['ann', 'ben']);
    const kettle = await fed.send('room', 'the kettle is on');
    const tea = await fed.send('room', '茶壺', { from: 'ben' });
    await finds(fed, 'kettle').toEqual([`room ${String(kettle.seq)}`]);
    await finds(fed, '茶').toEqual([`room ${String(tea.seq)}`]);
    await fed.edit('room', kettle.seq, 'the teapot is on');
    await finds(fed, 'teapot').toEqual([`room ${String(kettle.seq)}`]);
    expect(await fed.found('kettle', ['room'])).toEqual([]);
    // The entry that edits is no message.
    expect(await fed.found('edited', ['room'])).toEqual([]);
    await fed.recall('room', kettle.seq);
    await finds(fed, 'teapot').toEqual([]);
    expect(fed.indexer.stats).toMatchObject({ failingMs: 0, conversationsAside: 0 });
    expect(fed.said.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  /** `MILLRACE_TEST_FRESH=10000 npm test -- indexing`: so many. */
  it('is found by the index alone within a second of its acknowledgement, under light load', async () => {
    const count = Number(process.env['MILLRACE_TEST_FRESH'] ?? 1_000);
    const fed = await start();
    await fed.create('room', ['ann']);
    await fed.send('room', 'first');
    await finds(fed, 'first').toHaveLength(1);
    const ackedMs = new Map<string, number>();
    const foundMs = new Map<string, number>();
    const window = (await fed.node.chat.info('room' as ConversationId)) as { readonly value: { keyWindow: number } };
    const sends = (async () => {
      for (let sent = 0; sent < count; sent += 1) {
        const { seq } = await fed.send('room', `kettle ${String(sent)}`, { window: window.value.keyWindow });
        ackedMs.set(`room ${String(seq)}`, performance.now());
        await sleep(SEND_EVERY_MS);
      }
    })();
    // The newest hundred of them, again and again.
    while (foundMs.size < count) {
      const nowMs = performance.now();
      for (const name of await fed.found('kettle', ['room'])) if (!foundMs.has(name)) foundMs.set(name, nowMs);
      if (ackedMs.size === count && nowMs - Math.max(...ackedMs.values()) > 20_000) break;
      await sleep(LOOK_EVERY_MS);
    }
    await sends;
    const waitedMs = [...ackedMs].map(([name, atMs]) => (foundMs.get(name) ?? Infinity) - atMs).sort((a, b) => a - b);
    const [half = 0, most = 0, all = 0] = [0.5, 0.99, 1].map((share) => waitedMs[Math.ceil(share * count) - 1]);
    const shown = [half, most, all].map((ms) => `${ms.toFixed(0)} ms`).join(', ');
    console.log(`  ${String(count)} messages were found behind their acks: half, 99 %, all within ${shown}`);
    expect(all).toBeLessThan(1_000);
  }, 600_000);

  it('has the fields that are configured for its type', async () => {
    const rules = { custom: { text: ['/title'], fields: { order: '/order/number', paid: '/paid' } } };
    const fed = await start({ rules });
    await fed.create('room', ['ann']);
    const body = JSON.stringify({ title: 'An invoice', order: { number: 17 }, paid: false, secret: 'hidden' });
    const { seq } = await fed.send('room', body, { type: 'custom' });
    await finds(fed, 'invoice').toEqual([`room ${String(seq)}`]);
    expect(await fed.found('hidden', ['room'])).toEqual([]);
    const fields = [{ name: 'order', min: 17, max: 17 } as const, { name: 'paid', is: false } as const];
    expect(await fed.found('invoice', ['room'], { fields })).toHaveLength(1);
    expect(await fed.found('invoice', ['room'], { fields: [{ name: 'paid', is: true }] })).toEqual([]);
  });

  it('is caught up with when the index was away, and chat goes on meanwhile', async () => {
    const away = switchable();
    const fed = await start({ over: away.over, limits: { lookMs: 20, alarmMs: 100, retry: { msMin: 10, msMax: 50 } } });
    await fed.create('room', ['ann']);
    await fed.send('room', 'before');
    await finds(fed, 'before').toHaveLength(1);
    away.isDown = true;
    for (let count = 0; count < 30; count += 1) await fed.send('room', `kettle ${String(count)}`);
    await expect.poll(() => fed.said.join(), { timeout: 10_000 }).toContain('the search index is not fed');
    expect(fed.indexer.stats.failingMs).toBeGreaterThan(0);
    expect(fed.indexer.stats.failingWhy).toContain('It is down.');
    expect(fed.indexer.stats.lagMs).toBeGreaterThan(0);
    away.isDown = false;
    await finds(fed, 'kettle').toHaveLength(30);
    await expect.poll(() => fed.said.at(-1), { timeout: 10_000 }).toContain('up to date again');
    expect(fed.indexer.stats).toMatchObject({ failingMs: 0, lagMs: 0 });
  });

  it('is found by comparing, where the changefeed does not tell of it any more', async () => {
    const fed = await start({ feedKeptMs: 100 });
    await fed.create('room', ['ann']);
    const first = await fed.send('room', 'first');
    await finds(fed, 'first').toHaveLength(1);
    const directory = await leave(fed);
    // Nobody indexes for a while, and the changefeed is trimmed.
    const away = switchable();
    away.isDown = true;
    const unfed = await start({ feedKeptMs: 100, over: away.over });
    await unfed.send('room', 'second');
    await unfed.edit('room', first.seq, 'primary');
    const lengths = async () => Promise.all([0, 1, 2, 3].map((at) => redis.call('XLEN', `{p${String(at)}}:feed`)));
    await expect
      .poll(
        async () => {
          // Trimming goes with commits.
          await unfed.send('room', 'more');
          return Math.max(...(await lengths()).map(Number));
        },
        { timeout: 20_000, interval: 150 },
      )
      .toBeLessThan(4);
    await unfed.stop();
    opened.splice(opened.indexOf(unfed), 1);
    const again = await start({ directory });
    await finds(again, 'second').toHaveLength(1);
    await finds(again, 'primary').toEqual([`room ${String(first.seq)}`]);
    expect(await again.found('first', ['room'])).toEqual([]);
  });

  it('is followed on behind a clean restart, without a look at what is indexed already', async () => {
    const fed = await start();
    await fed.create('room', ['ann']);
    for (let count = 0; count < 20; count += 1) await fed.send('room', `kettle ${String(count)}`);
    await finds(fed, 'kettle').toHaveLength(20);
    const again = await start({ directory: await leave(fed) });
    await again.send('room', 'teapot');
    await finds(again, 'teapot').toHaveLength(1);
    // One, and not those of before.
    expect(again.indexer.stats.changesIndexed).toBe(1);
  });

  it('is made anew beside what is searched, and followed in the new index from then on', async () => {
    const before = await start();
    await before.create('room', ['ann']);
    // Ahead of what is waited for: it is indexed, without its text, when those are.
    const { seq } = await before.send('room', '{"title": "An invoice"}', { type: 'custom' });
    for (let count = 0; count < 30; count += 1) await before.send('room', `kettle ${String(count)}`);
    await finds(before, 'kettle').toHaveLength(30);
    const directory = await leave(before);
    const rules = { custom: { text: ['/title'], fields: {} } };
    const limits = { lookMs: 50, entriesPerRead: 3, entriesPerBatch: 5, namesPauseMs: 50 };
    const fed = await start({ directory, rules, limits });
    // What is indexed already stays as it is.
    expect(await fed.found('invoice', ['room'])).toEqual([]);
    const rebuild = fed.indexer.rebuild;
    expect(await rebuild?.status()).toEqual({ ok: true, value: { isRebuilding: false, partitions: 4, done: 4 } });
    expect(await rebuild?.begin()).toMatchObject({ ok: true, value: { isRebuilding: true } });
    await fed.send('room', 'teapot, meanwhile');
    await fed.recall('room', 3);
    const found = async () => (await fed.found('kettle', ['room'])).length;
    for (let looks = 0; looks < 10; looks += 1) expect(await found()).toBeGreaterThanOrEqual(29);
    await finds(fed, 'invoice').toEqual([`room ${String(seq)}`]);
    expect(await rebuild?.status()).toMatchObject({ value: { isRebuilding: false } });
    await finds(fed, 'kettle').toHaveLength(29);
    await finds(fed, 'teapot').toHaveLength(1);
    await fed.send('room', 'cup');
    await finds(fed, 'cup').toHaveLength(1);
    expect(fed.said.join()).toContain('the search index was made anew, and is in use');
  });

  it('is made anew by whoever is there: a node that is started again goes on', async () => {
    const fed = await start({ limits: { lookMs: 1e9 } });
    await fed.create('room', ['ann']);
    for (let count = 0; count < 20; count += 1) await fed.send('room', `kettle ${String(count)}`);
    await finds(fed, 'kettle').toHaveLength(20);
    await fed.index.beginRebuild();
    const again = await start({ directory: await leave(fed), limits: { lookMs: 50 } });
    await again.send('room', 'kettle');
    await expect.poll(() => again.said.join(), { timeout: 20_000 }).toContain('is in use');
    await finds(again, 'kettle').toHaveLength(21);
    expect(await again.indexer.rebuild?.abandon()).toMatchObject({ value: { isRebuilding: false } });
  });

  it('is all there in an index that was removed and is made anew', async () => {
    const fed = await start({ limits: { entriesPerRead: 7, entriesPerBatch: 20 } });
    for (const room of ['one', 'two', 'three']) {
      await fed.create(room, ['ann']);
      for (let count = 0; count < 25; count += 1) await fed.send(room, `kettle ${String(count)}`);
    }
    await fed.recall('two', 3);
    await fed.edit('three', 4, 'teapot');
    const rooms = ['one', 'two', 'three'];
    await finds(fed, 'kettle', rooms).toHaveLength(73);
    const directory = await leave(fed);
    rmSync(directory, { recursive: true });
    const again = await start({ directory, limits: { entriesPerRead: 7, entriesPerBatch: 20 } });
    await finds(again, 'kettle', rooms).toHaveLength(73);
    expect(await again.found('teapot', rooms)).toEqual(['three 4']);
  });
});
