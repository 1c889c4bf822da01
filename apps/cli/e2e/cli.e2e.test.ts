import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { seededRandom } from '@millrace/kernel';
import { freePort } from '@millrace/local-redis';
import { testRedis } from '@millrace/local-redis/testing';
import { CheckingRelay } from '@millrace/raw-client/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isReady, kill, start, until, type Program } from './programs.ts';

const LINES = 400;
const CHANNELS = 5;
const AUTHORS = 30;
/** Of the file, from 1: not JSON, and without an author. */
const MISFITS = [50, 111];
const SERVER_KILLS = 3;

const redis = testRedis();
let cwd = '';
let url = '';
let env: Record<string, string> = {};
let server: Program;
/** Where the server says that its sockets are: what the programs exchange with it is looked at on the way. */
let relay: CheckingRelay;

/** Names as people choose them, not as ids are. */
const authorName = (index: number): string =>
  `${['ada', 'b o b', 'événe', '|kim|', "o'neil"][index % 5] ?? ''}${String(index)}`;

function writeCorpus(path: string): void {
  const random = seededRandom(20);
  const lines = Array.from({ length: LINES }, (_, index) => {
    if (index + 1 === MISFITS[0]) return 'no JSON';
    const from = index + 1 === MISFITS[1] ? '' : authorName(random.uint32() % AUTHORS);
    const channel = `#chan ${String(random.uint32() % CHANNELS)}`;
    const at = new Date(Date.UTC(2026, 0, 1) + index * 1000).toISOString();
    return JSON.stringify({ channel, at, from, text: index % 40 === 7 ? '' : `line ${String(index)} ☃` });
  });
  writeFileSync(path, gzipSync(`${lines.join('\n')}\n`));
}

function startServer(): Program {
  return start('server.mjs', [], { cwd, env: { ...env, MILLRACE_SOCKET_URL: relay.url, MILLRACE_LOG_LEVEL: 'warn' } });
}

const cli = (...args: string[]): Program => start('cli.mjs', args, { cwd, env });

async function run(...args: string[]): Promise<{ code: number; out: string; notes: string; lastLine: string }> {
  const program = cli(...args);
  const code = await program.ended;
  const lastLine = program.out().trimEnd().split('\n').at(-1) ?? '';
  return { code, out: program.out(), notes: program.notes(), lastLine };
}

const ledgerOf = (name: string): string => join(cwd, '.millrace', 'ledgers', `${name}.jsonl`);
const ledgered = (name: string): number =>
  existsSync(ledgerOf(name)) ? (readFileSync(ledgerOf(name), 'utf8').match(/^{"line"/gm) ?? []).length : 0;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-cli-e2e-'));
  const port = await freePort();
  const socketPort = String(await freePort());
  url = `http://127.0.0.1:${String(port)}`;
  relay = await CheckingRelay.start(() => `ws://127.0.0.1:${socketPort}`);
  env = {
    MILLRACE_PORT: String(port),
    MILLRACE_SOCKET_PORT: socketPort,
    MILLRACE_NODE_NAME: 'cli-e2e',
    REDIS_URL: redis.url,
  };
  writeCorpus(join(cwd, 'corpus.jsonl.gz'));
  server = startServer();
  await until(server.notes, () => isReady(url));
});

/** @returns how many frames were looked at so far, by name; the schema found nothing wrong with them. */
function soundFrames(): Readonly<Record<string, number>> {
  const { problems, checkedByName } = relay.takeFrameCheck();
  expect(problems).toEqual([]);
  return checkedByName;
}

afterEach(() => {
  soundFrames();
});

afterAll(async () => {
  await kill(server, 'SIGTERM');
  await relay.close();
  rmSync(cwd, { recursive: true, force: true });
  soundFrames();
});

describe('trying it out', () => {
  it('sends a message to a user who tails, and both are told its position', async () => {
    const tail = cli('tail', '--as', 'bob');
    await until(tail.notes, () => tail.notes().includes('bob is connected'));
    const sent = await run('send', '--as', 'alice', '--to', 'bob', 'Hello,', 'Bob');
    expect(sent).toMatchObject({ code: 0, lastLine: 'alice!bob 1-2 stored (memory)' });
    await until(tail.out, () => tail.out().includes('Hello'));
    expect(tail.out()).toContain('alice!bob 1-2 alice: Hello, Bob\n');
    expect(await kill(tail, 'SIGINT')).toBe(0);

    const again = await run('send', '--as', 'bob', '--conversation', 'alice!bob', 'Hello, Alice');
    expect(again.lastLine).toBe('alice!bob 1-3 stored (memory)');
  });

  it('tells the story of a message, and of none that is not there', async () => {
    const told = await run('explain', 'alice!bob', '2');
    expect([told.code, told.notes]).toEqual([0, '']);
    expect(told.out).toMatch(
      /^direct alice!bob, seq 2 of generation 1 \(the last one is 3\)\ntext from alice, device /,
    );
    for (const step of ['accepted', 'routed', 'sequenced', 'committed', 'acked', 'diffused'])
      expect(told.out).toMatch(new RegExp(`^${step} +\\d\\d:.* cli-e2e( |$)`, 'm'));
    expect(told.out).toMatch(/\nbob +inbox 2 .* not read\n +\S+ +pushed .* it has said nothing since, offline\n/);
    expect(JSON.parse((await run('explain', 'alice!bob', '3', '--json')).out)).toMatchObject({ seq: 3 });
    const none = await run('explain', 'alice!bob', '9');
    expect([none.code, none.notes]).toEqual([1, 'It cannot be told: alice!bob ends at seq 3: there is no 9 yet.\n']);
    expect((await run('explain', 'alice!bob', 'last')).code).toBe(2);
  });

  it('refuses what cannot be, in a sentence, with an exit code', async () => {
    const stranger = await run('send', '--as', 'eve', '--conversation', 'alice!bob', 'psst');
    expect(stranger.code).toBe(1);
    expect(stranger.notes).toMatch(/^Not sent: /);
    expect((await run('send', '--as', 'eve', 'to nobody')).code).toBe(2);
    const nowhere = await run('tail', '--as', 'eve', '--url', `http://127.0.0.1:${String(await freePort())}`);
    expect(nowhere.code).toBe(2);
    expect(nowhere.notes).toMatch(/Nothing answers at .* Start a server/);
  });

  it('prints a token that the server takes, and the doctor finds nothing wrong', async () => {
    const token = await run('token', 'alice', '--ttl', '5m');
    expect(token.lastLine.split('.')).toHaveLength(3);
    const doctor = await run('doctor');
    expect(doctor.out).toContain(`the server at ${url} is ready`);
    expect(doctor.lastLine).toMatch(/^\d+ ok, \d+ warnings, 0 failures$/);
    expect(doctor.code).toBe(0);
  });
});

describe('a replayed corpus', () => {
  it('is whole for every member, though server and replay are killed again and again (I1, I3, I4)', async () => {
    const good = LINES - MISFITS.length;
    const args = ['replay', 'corpus.jsonl.gz', '--run', 'killed', '--sockets', '12'];
    let replay = cli(...args);
    for (let killed = 1; killed <= SERVER_KILLS; killed += 1) {
      const goal = Math.floor((good * killed) / (SERVER_KILLS + 2));
      await until(replay.notes, () => ledgered('killed') >= goal);
      await kill(server);
      server = startServer();
      await until(server.notes, () => isReady(url));
    }
    const before = ledgered('killed');
    expect(before).toBeLessThan(good);
    await kill(replay);
    replay = cli(...args, '--resume');
    expect(await replay.ended, replay.notes()).toBe(0);
    expect(replay.notes()).toContain('lines were in the ledger already');
    expect(replay.notes()).toContain('line 50 is left out: not JSON');
    expect(ledgered('killed')).toBe(good);

    const verified = await run('verify');
    expect(verified.lastLine, verified.notes).toBe(
      `verified ${String(good)} messages, ${String(CHANNELS)} conversations, ${String(AUTHORS)} members: 0 lost, 0 duplicated, 0 gaps`,
    );
    expect(verified.code).toBe(0);
    expect(verified.out).toMatch(/inboxes of [1-9]\d* members .* 0 incomplete/);

    const checked = soundFrames();
    expect(checked['client send']).toBeGreaterThanOrEqual(good);
    expect(checked['server ack']).toBeGreaterThanOrEqual(good);
    expect(checked['server page']).toBeGreaterThanOrEqual(CHANNELS);
  }, 120_000);

  it('that lacks what its ledger says is found out', async () => {
    const [first = '', ...rest] = readFileSync(ledgerOf('killed'), 'utf8').trimEnd().split('\n');
    const at = rest.findIndex((line) => line.startsWith('{"line"'));
    const told = JSON.parse(rest[at] ?? '{}') as Record<string, unknown>;
    rest[at] = JSON.stringify({ ...told, sha256: '00' });
    const forged = join(cwd, 'forged.jsonl');
    writeFileSync(forged, `${[first, ...rest].join('\n')}\n`);
    appendFileSync(forged, `${JSON.stringify({ ...told, line: 9_999, n: 9_999, seq: 9_999 })}\n`);
    const verified = await run('verify', '--ledger', forged);
    expect(verified.code).toBe(1);
    expect(verified.lastLine).toMatch(/: 2 lost, 0 duplicated, \d+ gaps/);
    expect(verified.notes).toMatch(/is not what stands at seq/);
  });

  it('is not replayed over another run, nor resumed with another corpus', async () => {
    const over = await run('replay', 'corpus.jsonl.gz', '--run', 'killed');
    expect(over.code).toBe(1);
    expect(over.notes).toMatch(/is there already/);
    writeFileSync(join(cwd, 'other.jsonl'), '');
    const other = await run('replay', 'other.jsonl', '--run', 'killed', '--resume');
    expect(other.notes).toMatch(/is the ledger of another corpus/);
  });
});

describe('serve', () => {
  it('runs a server with a Redis of its own in the foreground, and ends both when told', async () => {
    const own = mkdtempSync(join(tmpdir(), 'mr-serve-'));
    const port = await freePort();
    const serve = start('cli.mjs', ['serve'], {
      cwd: own,
      env: { MILLRACE_PORT: String(port), MILLRACE_SOCKET_PORT: String(await freePort()), MILLRACE_DRAIN_MS: '100' },
    });
    try {
      await until(
        () => serve.out() + serve.notes(),
        () => isReady(`http://127.0.0.1:${String(port)}`),
      );
      expect(await kill(serve, 'SIGTERM')).toBe(0);
      expect(await isReady(`http://127.0.0.1:${String(port)}`)).toBe(false);
    } finally {
      await kill(serve);
      rmSync(own, { recursive: true, force: true });
    }
  });
});
