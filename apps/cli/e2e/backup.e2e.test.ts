import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemTimers, type ConversationId, type DeviceId, type SequenceId } from '@millrace/kernel';
import { fileStorage, nodeClient } from '@millrace/client/node';
import { callRedis, freePort } from '@millrace/local-redis';
import { RawSession } from '@millrace/raw-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isReady, kill, start, until, type Program } from './programs.ts';

const TEAM = 'team' as ConversationId;
/** What is in Redis of a conversation: up to a chunk more. */
const HOT = 50;
const PATIENCE_MS = 120_000;

interface Acked {
  readonly seq: number;
  readonly body: string;
}

let cwd = '';
let url = '';
let socketUrl = '';
let env: Record<string, string> = {};
let server: Program;

const at = (name: string): string => join(cwd, name);

async function run(...args: string[]): Promise<{ code: number; out: string; notes: string }> {
  const program = start('cli.mjs', args, { cwd, env });
  const code = await program.ended;
  return { code, out: program.out(), notes: program.notes() };
}

async function serve(): Promise<void> {
  server = start('server.mjs', [], { cwd, env: { ...env, MILLRACE_LOG_LEVEL: 'warn' } });
  await until(server.notes, () => isReady(url), PATIENCE_MS);
}

const tokenOf = async (user: string): Promise<string> => (await run('token', user)).out.trim();

async function deviceOf(user: string): Promise<ReturnType<typeof nodeClient>> {
  // The same device each time: its counter is ahead of a store that went back.
  const storage = fileStorage(at(`${user}.device`));
  const client = nodeClient({ url: socketUrl, token: await tokenOf(user), storage });
  await client.connect();
  return client;
}

/** As a client in any language would ask. */
async function askAs<T>(user: string, device: string, job: (session: RawSession) => Promise<T>): Promise<T> {
  const token = await tokenOf(user);
  const opened = await RawSession.connect({
    url: socketUrl,
    token,
    device: device as DeviceId,
    timers: systemTimers,
  });
  if (!opened.ok) throw new Error(JSON.stringify(opened.error));
  try {
    return await job(opened.value);
  } finally {
    opened.value.close();
  }
}

/** Entries of the conversation in Redis. */
async function hot(): Promise<number> {
  const endpoint = { unixSocket: at('.millrace/redis/redis.sock') };
  const keys = await callRedis(endpoint, ['KEYS', `*:t:c:${TEAM}`]);
  const [key] = keys.ok ? (keys.value as readonly string[]) : [];
  if (key === undefined) return 0;
  const length = await callRedis(endpoint, ['XLEN', key]);
  if (!length.ok) throw new Error(length.error.message);
  return Number(length.value);
}

/** All that there is, from the first entry on. */
async function wholeHistory(): Promise<
  readonly { readonly gen: number; readonly seq: number; readonly body: string }[]
> {
  return askAs('bob', 'reader', async (session) => {
    const all: { readonly gen: number; readonly seq: number; readonly body: string }[] = [];
    for (let from = 1; ;) {
      const query = { conversation: TEAM, direction: 'forward', from: from as SequenceId, limit: 500 } as const;
      const page = await session.request({ t: 'history', ...query });
      if (!page.ok) throw new Error(JSON.stringify(page.error));
      all.push(...page.value.messages.map(({ gen, seq, body }) => ({ gen, seq, body: String(body) })));
      if (!page.value.hasMore) return all;
      from = (all.at(-1)?.seq ?? 0) + 1;
    }
  });
}

beforeAll(async () => {
  // Short: the path of a socket has few characters.
  cwd = mkdtempSync(join(tmpdir(), 'mr-backup-'));
  const [port, socketPort] = [String(await freePort()), String(await freePort())];
  url = `http://127.0.0.1:${port}`;
  socketUrl = `ws://127.0.0.1:${socketPort}`;
  env = {
    MILLRACE_PORT: port,
    MILLRACE_SOCKET_PORT: socketPort,
    MILLRACE_NODE_NAME: 'backup-e2e',
    MILLRACE_PARTITIONS: '16',
    MILLRACE_HOT_MESSAGES: String(HOT),
    // A restart of Redis alone loses nothing at this level: it is the copy that has to be told.
    MILLRACE_ACK: 'disk',
  };
  await serve();
});

afterAll(async () => {
  await kill(server, 'SIGTERM');
  rmSync(cwd, { recursive: true, force: true });
});

describe('a backup', { timeout: 300_000 }, () => {
  it('of a server under load brings back everything that was acknowledged before, and tells who is further', async () => {
    const alice = await deviceOf('alice');
    await alice.create({ kind: 'group', conversation: TEAM, title: 'team', members: ['bob' as never] });
    const acked: Acked[] = [];
    let isOver = false;
    const writing = (async () => {
      for (let sent = 0; !isOver; sent += 8)
        await Promise.all(
          Array.from({ length: 8 }, async (_, index) => {
            const body = `number ${String(sent + index)}`;
            const { seq } = await alice.send(TEAM, body);
            acked.push({ seq, body });
          }),
        );
    })();
    const untilMore = (count: number): Promise<void> => {
      const goal = acked.length + count;
      return until(server.notes, () => acked.length >= goal, PATIENCE_MS);
    };
    await untilMore(200);
    await until(server.notes, async () => (await hot()) < 200, PATIENCE_MS);
    const before = [...acked];
    expect(await run('backup', 'saved')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^backed up /) as string,
    });
    await untilMore(200);
    isOver = true;
    await writing;
    await alice.close();
    const last = Math.max(...acked.map(({ seq }) => seq));
    // Everything that is written is archived as far as it goes, also what the backup has not.
    await until(server.notes, async () => (await hot()) < 2 * HOT, PATIENCE_MS);
    expect(await kill(server, 'SIGTERM')).toBe(0);

    // Nothing is written over.
    expect(await run('restore', 'saved')).toMatchObject({
      code: 1,
      notes: expect.stringContaining('already') as string,
    });
    rmSync(at('.millrace/redis'), { recursive: true });
    for (const end of ['', '-wal', '-shm', '.lock', '.owner'])
      rmSync(at(`.millrace/archive.sqlite${end}`), { force: true });
    const restored = await run('restore', 'saved');
    expect([restored.notes, restored.code, restored.out]).toEqual([
      '',
      0,
      expect.stringMatching(/^restored \d+ partitions as of /),
    ]);
    await serve();

    const history = await wholeHistory();
    const head = history.length;
    expect(history.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, index) => index + 1));
    const said = new Map(history.map(({ seq, body }) => [seq, body]));
    for (const { seq, body } of before) expect([seq, said.get(seq)]).toEqual([seq, body]);
    for (const { seq, body } of acked.filter((each) => each.seq <= head)) expect(said.get(seq)).toBe(body);
    expect(head).toBeLessThan(last);

    // Who was further is told from where.
    const gen = history[0]?.gen as never;
    const lost = await askAs('bob', 'further', (session) =>
      session.request({ t: 'history', conversation: TEAM, direction: 'forward', gen, from: last as SequenceId }),
    );
    expect(lost).toMatchObject({ ok: false, error: { error: { code: 'regressed', from: head } } });

    // It goes on behind the backup, in a generation that was never there, and goes over into the archive.
    const again = await deviceOf('alice');
    const { seq, gen: next } = await again.send(TEAM, 'after all');
    expect(seq).toBe(head + 1);
    expect(next).toBeGreaterThan(1_000);
    for (let sent = 0; sent < 160; sent += 20)
      await Promise.all(Array.from({ length: 20 }, (_, index) => again.send(TEAM, `again ${String(sent + index)}`)));
    await again.close();
    await until(server.notes, async () => (await hot()) < 2 * HOT, PATIENCE_MS);
    const whole = await wholeHistory();
    expect(whole.map((each) => each.seq)).toEqual(Array.from({ length: head + 161 }, (_, index) => index + 1));
    expect(whole.slice(0, head)).toEqual(history);
    expect(server.notes()).not.toContain('cannot be archived');
  });

  it('is not put back when it is damaged, or not whole', async () => {
    const copy = readFileSync(at('saved/redis.rdb'));
    writeFileSync(at('saved/redis.rdb'), copy.subarray(1));
    const damaged = await run('restore', 'saved', '--data-dir', 'elsewhere');
    expect([damaged.code, damaged.notes]).toEqual([1, expect.stringContaining('damaged')]);
    expect(existsSync(at('elsewhere'))).toBe(false);
    rmSync(at('saved/backup.json'));
    expect((await run('restore', 'saved')).notes).toContain('no whole backup');
    expect((await run('backup', 'saved')).notes).toContain('not empty');
  });
});
