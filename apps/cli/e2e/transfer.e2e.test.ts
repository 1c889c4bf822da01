import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { fileStorage, nodeClient } from '@millrace/client/node';
import { seededRandom, type ConversationId, type SequenceId } from '@millrace/kernel';
import { freePort } from '@millrace/local-redis';
import { testRedis } from '@millrace/local-redis/testing';
import { timelineLengths } from '@millrace/redis-store/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isReady, kill, start, until, type Program } from './programs.ts';

const LINES = 1_500;
const CHANNELS = 12;
const MISFIT = 77;
const LONG = 160;
/** What is in Redis of a conversation: up to a chunk more. */
const HOT = 50;
const PATIENCE_MS = 120_000;

type Line = Readonly<Record<string, unknown>>;
type Row = Readonly<Record<string, unknown>> & { readonly conversation: string };

const redis = testRedis();
let cwd = '';
let url = '';
let socketUrl = '';
let env: Record<string, string> = {};
let server: Program;

const cli = (...args: string[]): Program => start('cli.mjs', args, { cwd, env });

async function run(...args: string[]): Promise<{ code: number; out: string; notes: string }> {
  const program = cli(...args);
  const code = await program.ended;
  return { code, out: program.out(), notes: program.notes() };
}

/** In order, and held to be whole. */
async function done(...args: string[]): Promise<string> {
  const { code, out, notes } = await run(...args);
  expect([args[0], code, notes]).toEqual([args[0], 0, expect.any(String)]);
  return out;
}

const at = (name: string): string => join(cwd, name);
const bytes = (name: string): Buffer => readFileSync(at(name));

function linesOf(name: string): readonly Line[] {
  const data = bytes(name);
  const text = (name.endsWith('.gz') ? gunzipSync(data) : data).toString('utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

async function api(method: string, path: string, body?: unknown): Promise<{ status: number; json: Line }> {
  const key = readFileSync(at('.millrace/dev-api-key'), 'utf8').trim();
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Line };
}

async function serve(): Promise<void> {
  server = start('server.mjs', [], { cwd, env: { ...env, MILLRACE_LOG_LEVEL: 'warn' } });
  await until(server.notes, () => isReady(url), PATIENCE_MS);
}

/** A server over stores that have nothing. */
async function wipe(): Promise<void> {
  await kill(server, 'SIGTERM');
  await redis.flush();
  for (const file of readdirSync(cwd)) if (file.startsWith('archive.sqlite')) rmSync(at(file));
  await serve();
}

/** Entries in Redis of each conversation that has any there. */
async function hot(): Promise<ReadonlyMap<string, number>> {
  const lengths = [...(await timelineLengths(redis, '*:t:c:*'))];
  const named = lengths.map(([key, length]) => [key.slice(key.indexOf(':t:c:') + 5), length] as const);
  return new Map(named.filter(([, length]) => length > 0));
}

/** Redis has no room: everything that is old leaves it. */
async function untilNothingIsHot(): Promise<void> {
  const used = /used_memory:(\d+)/.exec(String(await redis.call('INFO', 'memory')))?.[1];
  await redis.call('CONFIG', 'SET', 'maxmemory', String(Math.floor(Number(used) * 1.5)));
  await until(server.notes, async () => (await hot()).size === 0, PATIENCE_MS);
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
}

/** What a member sees of a conversation. */
async function historyOf(conversation: string, user: string): Promise<readonly Line[]> {
  const { json } = await api('GET', `/api/v1/conversations/${conversation}/messages?as=${user}&limit=500`);
  return json['messages'] as readonly Line[];
}

/** What a user's list says, but for the order and for what counts from the inbox. */
async function listOf(user: string): Promise<readonly object[]> {
  const { json } = await api('GET', `/api/v1/users/${user}/conversations?limit=500`);
  const rows = (json['conversations'] as readonly Row[]).map(({ lastAt: _, ...row }) => row);
  return rows.sort((one, other) => (one.conversation < other.conversation ? -1 : 1));
}

function writeCorpus(path: string): void {
  const random = seededRandom(7);
  const lines = Array.from({ length: LINES }, (_, index) => {
    if (index + 1 === MISFIT) return '{"channel":"x"}';
    const from = `user ${String(random.uint32() % 30)}`;
    const channel = `#room ${String(random.uint32() % CHANNELS)}`;
    const text = `line ${String(index)} ${'☃ é'.repeat(random.uint32() % 600)}`;
    return JSON.stringify({ channel, at: new Date(Date.UTC(2020, 0, 1) + index * 60_000).toISOString(), from, text });
  });
  writeFileSync(path, gzipSync(`${lines.join('\n')}\n`));
}

async function deviceOf(user: string): Promise<ReturnType<typeof nodeClient>> {
  const { out } = await run('token', user);
  const client = nodeClient({ url: socketUrl, token: out.trim(), storage: fileStorage(at(`${user}.device`)) });
  await client.connect();
  return client;
}

/** Everything that a conversation can keep, by real devices and a backend. */
async function live(): Promise<void> {
  const made = { creator: 'alice', kind: 'group', title: 'The team ☃', joinPolicy: 'open', historyPolicy: 'join' };
  await api('POST', '/api/v1/conversations', { ...made, conversation: 'team', members: ['bob', 'carol', 'dave'] });
  const team = 'team' as ConversationId;
  const [alice, bob] = [await deviceOf('alice'), await deviceOf('bob')];
  for (let index = 0; index < 5; index += 1) await alice.send(team, `hello ${String(index)}`);
  await bob.send(team, new Uint8Array([0, 255, 1]), { type: 'image' });
  await alice.send(team, 'for bob', { mentions: ['bob' as never] });
  await bob.read(team, 4 as SequenceId);
  await alice.edit(team, 3 as SequenceId, 'hello, again');
  await alice.edit(team, 3 as SequenceId, 'hello, once more');
  await bob.react(team, 3 as SequenceId, '👍');
  await alice.recall(team, 6 as SequenceId);
  // Most of this one leaves Redis, also what is changed then.
  const long = 'long' as ConversationId;
  await api('POST', '/api/v1/conversations', { ...made, conversation: long, members: ['bob'] });
  for (let sent = 0; sent < LONG; sent += 20)
    await Promise.all(Array.from({ length: 20 }, (_, index) => alice.send(long, `number ${String(sent + index)}`)));
  await until(server.notes, async () => ((await hot()).get(long) ?? 0) < 2 * HOT, PATIENCE_MS);
  await alice.edit(long, 5 as SequenceId, 'another number');
  await bob.react(long, 5 as SequenceId, '🎉');
  await bob.react(long, 7 as SequenceId, '👍');
  await bob.react(long, 7 as SequenceId, '👍', false);
  await alice.recall(long, 9 as SequenceId);
  await bob.read(long, 8 as SequenceId);
  await alice.close();
  await bob.close();
  const keyed = { from: 'carol', key: 'order/1', window: 1, body: 'from the shop' };
  expect((await api('POST', '/api/v1/conversations/team/messages', keyed)).status).toBe(201);
  await api('PUT', '/api/v1/conversations/team/members/bob/mute', {});
  await api('PUT', '/api/v1/conversations/team/bans/dave');
  await api('PATCH', '/api/v1/conversations/team', { slowModeMs: 1_000 });
  await api('PUT', '/api/v1/users/erin/blocks/frank');
  await api('POST', '/api/v1/conversations', { creator: 'alice', kind: 'direct', members: ['bob'] });
  await done('send', '--as', 'bob', '--to', 'alice', 'directly');
  await done('replay', 'small.jsonl', '--run', 'first');
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-transfer-e2e-'));
  const [port, socketPort] = [String(await freePort()), String(await freePort())];
  url = `http://127.0.0.1:${port}`;
  socketUrl = `ws://127.0.0.1:${socketPort}`;
  env = {
    MILLRACE_PORT: port,
    MILLRACE_SOCKET_PORT: socketPort,
    MILLRACE_NODE_NAME: 'transfer-e2e',
    MILLRACE_PARTITIONS: '16',
    MILLRACE_ARCHIVE: `sqlite:${at('archive.sqlite')}`,
    MILLRACE_HOT_MESSAGES: String(HOT),
    REDIS_URL: redis.url,
  };
  writeCorpus(at('corpus.jsonl.gz'));
  const small = Array.from({ length: 60 }, (_, index) => {
    const [channel, from] = [`c${String(index % 3)}`, `u${String(index % 7)}`];
    return JSON.stringify({ channel, at: '2026-01-01T00:00:00Z', from, text: `small ${String(index)}` });
  });
  writeFileSync(at('small.jsonl'), `${small.join('\n')}\n`);
  await serve();
});

afterAll(async () => {
  await kill(server, 'SIGTERM');
  rmSync(cwd, { recursive: true, force: true });
});

describe('export, wipe, import', { timeout: 300_000 }, () => {
  it('gives byte-identical exports, the same lists and unread counts, and every message to who verifies', async () => {
    await live();
    const users = ['alice', 'bob', 'carol', 'dave', 'u1', 'u6'];
    const lists = await Promise.all(users.map(listOf));
    const histories = (): Promise<unknown> =>
      Promise.all([historyOf('team', 'alice'), historyOf('team', 'bob'), historyOf('long', 'bob')]);
    const seen = await histories();
    expect(await done('export', 'before.jsonl.gz')).toMatch(/^exported 7 conversations with /);
    await wipe();
    expect(await listOf('bob')).toEqual([]);
    expect(await done('import', 'before.jsonl.gz')).toMatch(/^imported 7 conversations; /);
    expect(await histories()).toEqual(seen);
    await until(server.notes, async () => ((await hot()).get('long') ?? 0) < 2 * HOT, PATIENCE_MS);
    expect(await histories()).toEqual(seen);
    await done('export', 'after.jsonl.gz');
    expect(bytes('after.jsonl.gz')).toEqual(bytes('before.jsonl.gz'));
    expect(existsSync(at('after.jsonl.gz.progress'))).toBe(false);
    expect(await done('verify', '--export', 'before.jsonl.gz', '--compare')).toMatch(
      /^checked 7 conversations with [\d,]+ entries: 0 faults\n$/,
    );
    expect(await Promise.all(users.map(listOf))).toEqual(lists);
    expect(await listOf('bob')).toContainEqual(
      expect.objectContaining({ conversation: 'team', readSeq: 4, unread: 3 }),
    );
    expect(await done('verify')).toContain('60');
    // It goes on where it was, for devices and for a backend that asks once more (I4).
    const keyed = { from: 'carol', key: 'order/1', window: 1, body: 'from the shop' };
    expect(await api('POST', '/api/v1/conversations/team/messages', keyed)).toMatchObject({ status: 200 });
    const alice = await deviceOf('alice');
    const { seq } = await alice.send('team' as ConversationId, 'after all');
    await alice.close();
    const rows = linesOf('before.jsonl.gz').filter((line) => line['conversation'] === 'team');
    expect(seq).toBe(Number(rows[0]?.['last']) + 1);
    expect(await listOf('bob')).toContainEqual(expect.objectContaining({ conversation: 'team', seq, unread: 4 }));
    // Again it changes nothing.
    await done('import', 'before.jsonl.gz');
    expect(await listOf('bob')).toContainEqual(expect.objectContaining({ conversation: 'team', seq, unread: 4 }));
  });

  it('takes a corpus: each channel is a group with the times and the order of the file', async () => {
    await wipe();
    const { code, out, notes } = await run('import', '--corpus', 'corpus.jsonl.gz');
    expect([code, out]).toEqual([1, expect.stringMatching(/^imported 12 conversations; /)]);
    expect(notes).toContain(`line ${String(MISFIT)}: `);
    await done('export', 'corpus-export.jsonl.gz');
    await untilNothingIsHot();
    await done('export', 'cold-export.jsonl.gz');
    expect(bytes('cold-export.jsonl.gz')).toEqual(bytes('corpus-export.jsonl.gz'));
    const lines = linesOf('corpus-export.jsonl.gz');
    expect(lines.filter((line) => line['type'] === 'text')).toHaveLength(LINES - 1);
    const id = encodeURIComponent('%23room%200');
    const page = await api('GET', `/api/v1/conversations/${id}/messages?as=user%25202&direction=forward&limit=1000`);
    const messages = (page.json['messages'] as readonly Line[]).filter((each) => each['type'] === 'text');
    const corpus = gunzipSync(bytes('corpus.jsonl.gz')).toString('utf8').trimEnd().split('\n');
    const expected = corpus.map((line) => JSON.parse(line) as Line).filter((line) => line['channel'] === '#room 0');
    expect(messages.map(({ at: sent, body }) => [sent, body])).toEqual(
      expected.map((line) => [Date.parse(String(line['at'])), line['text']]),
    );
    expect(await listOf('user%25202')).toContainEqual(expect.objectContaining({ title: '#room 0', unread: 0 }));
  });

  it('goes on after a kill, of the export as of the import, and comes to the same bytes', async () => {
    const whole = bytes('corpus-export.jsonl.gz');
    const written = (): number =>
      existsSync(at('killed.jsonl.gz.progress'))
        ? (JSON.parse(readFileSync(at('killed.jsonl.gz.progress'), 'utf8')) as { bytes: number }).bytes
        : 0;
    // On a fast machine it may come to its end before it is killed.
    let isCut = false;
    for (let tries = 0; tries < 20 && !isCut; tries += 1) {
      for (const end of ['', '.progress']) rmSync(at(`killed.jsonl.gz${end}`), { force: true });
      const killed = cli('export', 'killed.jsonl.gz');
      await until(killed.notes, () => written() > 0 || killed.child.exitCode !== null, PATIENCE_MS);
      await kill(killed);
      isCut = bytes('killed.jsonl.gz').length < whole.length;
    }
    expect(isCut).toBe(true);
    expect((await run('export', 'killed.jsonl.gz')).notes).toContain('Going on behind');
    expect(bytes('killed.jsonl.gz')).toEqual(whole);
    expect(await run('export', 'killed.jsonl.gz')).toMatchObject({ code: 1 });

    await wipe();
    const isBegun = async (): Promise<boolean> =>
      ((await api('GET', '/api/v1/export')).json['conversations'] as readonly string[]).length > 0;
    for (let kills = 0; kills < 2; kills += 1) {
      const importing = cli('import', 'corpus-export.jsonl.gz');
      await until(importing.notes, isBegun, PATIENCE_MS);
      await sleep(50 * kills);
      await kill(importing);
    }
    expect(await done('import', 'corpus-export.jsonl.gz')).toMatch(/^imported 12 conversations; /);
    await done('export', 'again.jsonl.gz');
    expect(bytes('again.jsonl.gz')).toEqual(whole);
  });

  it('tells a bad line by its number, and shows nothing of its conversation before it is mended', async () => {
    await wipe();
    const text = gunzipSync(bytes('before.jsonl.gz')).toString('utf8');
    const lines = text.split('\n');
    const spoilt = lines.findIndex((line) => line.includes('for bob'));
    writeFileSync(
      at('bad.jsonl'),
      [...lines.slice(0, spoilt), lines[spoilt]?.replace('"at":', '"at":-'), ...lines.slice(spoilt + 1)].join('\n'),
    );
    const checked = await run('verify', '--export', 'bad.jsonl');
    expect([checked.code, checked.notes]).toEqual([
      1,
      expect.stringContaining('the entries of team in this file are not'),
    ]);
    const bad = await run('import', 'bad.jsonl');
    expect([bad.code, bad.out]).toEqual([1, expect.stringMatching(/^imported 6 conversations; /)]);
    expect(bad.notes).toMatch(new RegExp(`line ${String(spoilt + 1)}: at: `));
    expect((await api('GET', '/api/v1/conversations/team')).status).toBe(404);
    expect(await listOf('carol')).toEqual([]);
    writeFileSync(at('cut.jsonl'), text.slice(0, text.length - 40));
    expect((await run('import', 'cut.jsonl')).notes).toContain('cut off');
    writeFileSync(at('bad.jsonl'), text);
    await done('import', 'bad.jsonl');
    await done('export', 'mended.jsonl');
    expect(bytes('mended.jsonl').toString('utf8')).toBe(text);
    const other = await run('import', 'small.jsonl');
    expect([other.code, other.notes]).toEqual([1, expect.stringContaining('line 1: it must be {"millrace"')]);
  });

  it('exports a prefix while people write, come and go', async () => {
    let isOver = false;
    const busy = (async () => {
      for (let index = 0; !isOver; index += 1) {
        const body = { from: 'alice', key: `busy ${String(index)}`, window: 1, body: `busy ${String(index)}` };
        await api('PATCH', '/api/v1/conversations/team', { slowModeMs: 0, title: `title ${String(index)}` });
        await Promise.all([
          api('POST', '/api/v1/conversations/team/messages', body),
          api('POST', '/api/v1/conversations/team/members', { users: [`new-${String(index % 40)}`] }),
        ]);
        if (index % 3 === 0) await api('DELETE', `/api/v1/conversations/team/members/new-${String(index % 40)}`);
      }
    })();
    const rounds = async (): Promise<void> => {
      for (let round = 0; round < 4; round += 1) {
        const out = await done('export', '-', '--conversation', 'team');
        const [header, line, ...rest] = out
          .trimEnd()
          .split('\n')
          .map((text) => JSON.parse(text) as Line);
        expect(header).toEqual({ millrace: 'export', version: 1 });
        const last = Number(line?.['last']);
        const entries = rest.filter((each) => 'at' in each && 'seq' in each);
        expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
        // The members are those whom the entries tell of, and no others.
        const present = new Set<string>();
        for (const { type, body } of entries) {
          const told =
            type === 'control'
              ? (JSON.parse(String(body)) as { control: string; members?: string[]; users?: string[] })
              : null;
          for (const user of [...(told?.members ?? []), ...(told?.control === 'joined' ? (told.users ?? []) : [])])
            present.add(user);
          if (told?.control === 'left' || told?.control === 'kicked')
            for (const user of told.users ?? []) present.delete(user);
        }
        const members = rest.filter(
          (each) => (each['stays'] as readonly (readonly unknown[])[] | undefined)?.at(-1)?.[2] === null,
        );
        expect(members.map(({ member }) => member)).toEqual([...present].sort());
        expect(rest.slice(-2)).toEqual([
          { end: 'team', last, chain: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
          { millrace: 'end', conversations: 1 },
        ]);
      }
    };
    await rounds().finally(() => {
      isOver = true;
    });
    await busy;
  });
});
