import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { damagedBytes } from '@millrace/archive/testing';
import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeys, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { until } from './support/until.ts';

const CLI = fileURLToPath(new URL('../../../dist/cli.mjs', import.meta.url));
const tea = 'tea' as ConversationId;
const TALK = 120;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
}

describe('millrace verify --chain, and erase', () => {
  const redis = testRedis();
  let dir = '';
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);
  const archiveFile = (): string => join(dir, 'archive.sqlite');

  const cli = (...args: readonly string[]): Promise<Ended> =>
    new Promise((resolve) => {
      const env = {
        PATH: process.env['PATH'],
        MILLRACE_URL: millrace.httpUrl,
        MILLRACE_API_KEY: scopedKeys.admin,
      };
      const child = execFile(process.execPath, [CLI, ...args], { cwd: dir, env }, (_error, out, notes) => {
        resolve({ code: child.exitCode ?? 128, out, notes });
      });
    });

  async function say(conversation: string, count: number): Promise<void> {
    const at = `/api/v1/conversations/${encodeURIComponent(conversation)}`;
    const window = Number((await ask('GET', at)).json['keyWindow']);
    for (let number = 1; number <= count; number += 1) {
      const from = number % 3 === 0 ? 'ben' : 'ann';
      const body = { from, key: `k${String(number)}`, window, body: `${from} says ${String(number)}` };
      expect((await ask('POST', `${at}/messages`, { body })).status).toBe(201);
    }
  }

  /** What somebody does to the file of the archive who can write it, and knows how. */
  function tamper(first: number, entry: number): void {
    const connection = new Database(archiveFile());
    const [row] = connection
      .prepare(
        `SELECT chunk.id, bytes FROM chunk JOIN span ON span.id = chunk.span
         WHERE conversation = ? AND gen = 1 AND chunk.first = ?`,
      )
      .all(tea, first) as { readonly id: number; readonly bytes: ArrayBuffer }[];
    if (row === undefined) throw new Error('there is no such chunk');
    const key = { conversation: tea, gen: generation(1), first: sequenceId(first) };
    const bytes = damagedBytes(key, new Uint8Array(row.bytes), { kind: 'rewritten', entry });
    connection.prepare('UPDATE chunk SET bytes = ? WHERE id = ?').run(bytes, row.id);
    connection.close();
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-chain-e2e-'));
    millrace = await startMillrace(redis.url, {
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_ARCHIVE: `sqlite:${archiveFile()}`,
      MILLRACE_HOT_MESSAGES: '20',
    });
    const group = { creator: 'ann', kind: 'group', conversation: tea, members: ['ben'], historyPolicy: 'all' };
    expect((await ask('POST', '/api/v1/conversations', { body: group })).status).toBe(201);
    const pair = { creator: 'ann', kind: 'direct', members: ['ben'] };
    expect((await ask('POST', '/api/v1/conversations', { body: pair })).status).toBe(201);
  });
  afterAll(async () => {
    await millrace.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('holds while entries are archived and erased, and names the place where somebody has changed one', async () => {
    await say(tea, TALK);
    await say('ann!ben', 3);
    let rolled: Ended = { code: -1, out: '', notes: '' };
    await until(
      'two chunks are archived',
      async () => {
        rolled = await cli('verify', '--chain', tea);
        return rolled.out.startsWith('tea: 100 archived entries, 0 of them erased; ');
      },
      90_000,
    );
    expect(rolled).toMatchObject({ code: 0, notes: '' });
    const mark = /^mark (1-100:[0-9a-f]{64})$/m.exec(rolled.out)?.[1] ?? '';
    expect(mark).not.toBe('');

    // Nothing is erased by chance.
    expect(await cli('erase', 'user', 'ben')).toMatchObject({ code: 2 });
    expect(await cli('erase', 'ben')).toMatchObject({ code: 2 });
    const erased = await cli('erase', 'user', 'ben', '--yes');
    expect(erased).toMatchObject({ code: 0, notes: '' });
    // In the group and in the direct conversation, whose membership stays.
    expect(erased.out).toContain(`2 of 2 conversations had something of the user: ${String(TALK / 3 + 1)} entries`);
    expect(erased.out).toContain('left: ann!ben: a direct conversation');

    const after = await cli('verify', '--chain', tea, '--expect', mark);
    expect(after).toMatchObject({ code: 0, notes: '' });
    expect(after.out).toMatch(new RegExp(`, ${String(TALK / 3)} of them erased; 0 are not archived yet`));
    const all = await cli('verify', '--chain');
    expect(all).toMatchObject({ code: 0 });
    expect(all.out).toContain(`checked 2 chains of `);
    expect(all.out).toContain(`${String(TALK / 3 + 1)} erased: 0 broken\n`);

    const other = `${mark.slice(0, -1)}${mark.endsWith('0') ? '1' : '0'}`;
    const elsewhere = await cli('verify', '--chain', tea, '--expect', other);
    expect(elsewhere).toMatchObject({ code: 1, notes: `tea: the mark ${other} is not in its chain\n` });
    for (const wrong of [
      ['--expect', 'x', '--chain', tea],
      ['--expect', mark, '--chain'],
      ['--expect', mark],
      ['--chain', 'a', 'b'],
    ])
      expect(await cli('verify', ...wrong)).toMatchObject({ code: 2 });

    // An entry of ann's, and what stands in the place of one of ben's (seq 4 is his first).
    tamper(51, 0);
    const broken = await cli('verify', '--chain', tea);
    expect(broken.code).toBe(1);
    expect(broken.notes).toBe('tea is broken at 1-51 to 1-100: its entries are not those that were archived\n');
    tamper(1, 3);
    const twice = await cli('verify', '--chain');
    expect(twice.code).toBe(1);
    expect(twice.notes).toContain('tea is broken at 1-1 to 1-50: what stands in the place of its erased entries');
    expect(twice.out).toContain(': 1 broken\n');

    expect(await cli('erase', 'conversation', 'ann!ben', '--yes')).toMatchObject({
      code: 0,
      out: 'The conversation ann!ben is erased.\n',
    });
    expect((await cli('erase', 'conversation', 'nowhere', '--yes')).code).toBe(1);
    expect((await cli('verify', '--chain', 'nowhere')).code).toBe(1);
  }, 300_000);
});
