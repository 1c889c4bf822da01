import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generation, ok, sequenceId, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { signToken } from '@millrace/raw-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCode, helpOf, parseCommandLine, wholeNumber, wrapped } from './command.ts';
import { judgeClock, judgeDisk, judgeFileLimit, judgeNode } from './doctor/judge.ts';
import { findingLines, warn } from './doctor/finding.ts';
import { urlOf } from './endpoints.ts';
import { readEnvironment } from './environment.ts';
import { duration, progressText } from './progress.ts';
import { sendCommand } from './send-command.ts';
import { messageLine } from './tail-command.ts';
import type { Terminal } from './terminal.ts';
import { parseDuration, tokenCommand } from './token-command.ts';
import { tokenSourceOf } from './token-source.ts';
import { verifyCommand } from './verify-command.ts';

const ada = 'ada' as UserId;
let dir = '';
let out: string[];
let notes: string[];
let terminal: Terminal;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  out = [];
  notes = [];
  terminal = {
    out: (line) => out.push(line),
    note: (line) => notes.push(line),
    status: () => undefined,
    clear: () => undefined,
    isInteractive: false,
    columns: 80,
    interrupted: new AbortController().signal,
  };
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const context = () => ({ terminal, environment: readEnvironment({ MILLRACE_DATA_DIR: dir }) });
function argsOf(command: Parameters<typeof parseCommandLine>[0], ...argv: string[]) {
  const args = parseCommandLine(command, argv);
  if (!args.ok) throw new Error(args.error);
  return args.value;
}
const claimsOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));

describe('the command line', () => {
  it('takes options before and after words', () => {
    const args = argsOf(sendCommand, 'hello', '--as', 'ada', 'there', '--to', 'bob');
    expect(args.words).toEqual(['hello', 'there']);
    expect([args.text('as'), args.text('to'), args.text('url')]).toEqual(['ada', 'bob', undefined]);
  });

  it('refuses an option that it does not know', () => {
    const args = parseCommandLine(sendCommand, ['--az', 'ada']);
    expect(args.ok ? '' : args.error).toMatch(/--az/);
  });

  it('names the range of a number', () => {
    const args = argsOf(verifyCommand, '--members-at-once', '0');
    expect(wholeNumber(args, 'members-at-once', { from: 1, to: 9 })).toEqual({
      ok: false,
      error: '--members-at-once must be a whole number from 1 to 9, got "0".',
    });
  });

  it('describes every option in its help, in lines that fit a terminal', () => {
    const help = helpOf(verifyCommand);
    for (const { name } of verifyCommand.options) expect(help).toContain(`--${name}`);
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(96);
    expect(wrapped('a bb ccc dddd', '  ', 8)).toEqual(['  a bb', '  ccc', '  dddd']);
  });

  it('takes only an HTTP address for a server', () => {
    const { environment } = context();
    expect(urlOf(argsOf(sendCommand), environment)).toEqual(ok('http://127.0.0.1:7400'));
    expect(urlOf(argsOf(sendCommand, '--url', 'https://chat.example.org/'), environment)).toEqual(
      ok('https://chat.example.org'),
    );
    expect(urlOf(argsOf(sendCommand, '--url', 'ws://127.0.0.1:7401'), environment).ok).toBe(false);
  });
});

describe('a token', () => {
  const secret = 'millrace-dev-0123456789abcdef0123456789abcdef';

  it('says who, for whom and until when, signed by HS256', () => {
    const token = signToken(secret, { user: ada, device: 'd1' as DeviceId, issuedAtSeconds: 1_000, seconds: 60 });
    const [header = '', claims = '', signature] = token.split('.');
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'JWT' });
    expect(claimsOf(token)).toEqual({ sub: 'ada', aud: 'millrace', iat: 1_000, exp: 1_060, device: 'd1' });
    expect(signature).toBe(createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url'));
  });

  it('is printed with the secret of the development server', async () => {
    writeFileSync(join(dir, 'dev-jwt-secret'), `${secret}\n`);
    expect(await tokenCommand.run(argsOf(tokenCommand, 'ada', '--ttl', '15m'), context())).toBe(exitCode.done);
    const { exp, iat } = claimsOf(out[0] ?? '') as { exp: number; iat: number };
    expect(exp - iat).toBe(900);
  });

  it('is refused where no development secret is, and says what to do', async () => {
    expect(await tokenCommand.run(argsOf(tokenCommand, 'ada'), context())).toBe(exitCode.failed);
    expect(out).toEqual([]);
    expect(notes[0]).toMatch(/no development secret at .*dev-jwt-secret/);
  });

  it.each([
    [[], /one USER/],
    [['a b'], /a user id must be/],
    [['ada', '--device', 'é'], /a device id must be/],
    [['ada', '--ttl', 'soon'], /--ttl must be a time/],
  ])('for %j is refused', async (argv, reason) => {
    expect(await tokenCommand.run(argsOf(tokenCommand, ...argv), context())).toBe(exitCode.misused);
    expect(notes[0]).toMatch(reason);
  });

  it.each([
    ['90s', 90],
    ['15m', 900],
    ['24h', 86_400],
    ['7d', 604_800],
    ['0s', null],
    ['9999d', null],
    ['1w', null],
  ])('lives for %s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it('can come from a command, which is handed the user as one argument', async () => {
    const script = join(dir, 'tokens.sh');
    writeFileSync(script, '#!/bin/sh\n[ "$1" = fast ] && echo "token-of-$2" || { echo "no such user" >&2; exit 1; }\n');
    chmodSync(script, 0o755);
    const good = tokenSourceOf(argsOf(sendCommand, '--token-command', `${script} fast`), context().environment);
    expect(good.ok && (await good.value('ada; rm -rf %' as UserId))).toEqual(ok('token-of-ada; rm -rf %'));
    const bad = tokenSourceOf(argsOf(sendCommand, '--token-command', `${script} slow`), context().environment);
    expect(bad.ok && (await bad.value(ada))).toEqual({
      ok: false,
      error: 'The token command failed for ada: no such user',
    });
  });
});

describe('what people read', () => {
  it('shows how far a job is and how long it will take', () => {
    expect(progressText(5_000, 20_000, 500, 8)).toBe('[##......] 5,000 of 20,000 (25%), 500/s, 0:30 left');
    expect(progressText(0, 0, 0, 0)).toBe('0 of 0 (100%), 0/s');
    expect([duration(59.6), duration(3_661)]).toEqual(['1:00', '1:01:01']);
  });

  it('shows a message with its position, and never lets it control the terminal', () => {
    const message = {
      gen: generation(2),
      seq: sequenceId(7),
      msgNo: 1,
      countable: true,
      from: ada,
      deviceTag: 1,
      n: 1,
      sentAt: 0,
      at: 0,
      type: 'text' as const,
      body: 'a\u001b[2Jb\n',
    };
    expect(messageLine('c' as ConversationId, message)).toBe('c 2-7 ada: a\\u001b[2Jb\\u000a');
    const image = { ...message, type: 'image' as const, body: new Uint8Array(3) };
    expect(messageLine('c' as ConversationId, image)).toBe('c 2-7 ada: (image) 3 bytes');
  });
});

describe('the doctor', () => {
  it.each([
    ['20.10.0', 'ok'],
    ['24.1.0', 'ok'],
    ['18.20.0', 'fail'],
    ['25.0.0', 'fail'],
  ])('finds Node %s %s', (version, level) => {
    expect(judgeNode(version).level).toBe(level);
  });

  it.each([
    ['Max open files            20000                20000                files', 'ok'],
    ['Max open files            unlimited            unlimited            files', 'ok'],
    ['Max open files            1024                 524288               files', 'warn'],
    ['Max open files            256                  256                  files', 'fail'],
    [null, 'warn'],
  ])('judges the limit of open files %s', (text, level) => {
    expect(judgeFileLimit(text).level).toBe(level);
  });

  it('tells clocks that are apart', () => {
    const nowMs = Date.UTC(2026, 0, 1, 12);
    expect(judgeClock('Thu, 01 Jan 2026 12:00:02 GMT', nowMs).level).toBe('ok');
    expect(judgeClock('Thu, 01 Jan 2026 12:01:00 GMT', nowMs).what).toMatch(/60 s apart/);
    expect(judgeClock(null, nowMs).level).toBe('warn');
  });

  it('says what to do beneath what is wrong', () => {
    expect(judgeDisk(2 ** 31, '.').level).toBe('ok');
    expect(judgeDisk(2 ** 20, '.').level).toBe('warn');
    expect(findingLines(warn('a thing', 'Do something.'))).toEqual(['warn  a thing', '      → Do something.']);
  });
});
