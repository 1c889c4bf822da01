import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  err,
  generation,
  ok,
  seededRandom,
  sequenceId,
  systemClock,
  type DeviceId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { frameError, type ErrorCode } from '@millrace/protocol';
import type { AnswerTo, RequestContent, SessionError } from '@millrace/raw-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countsOf, emptyBook } from '../ledger/ledger-book.ts';
import { LedgerWriter, readLedger } from '../ledger/ledger-file.ts';
import type { ChatPort } from './chat-port.ts';
import { parseCorpusLine, type CorpusLine, type Misfit } from './corpus-line.ts';
import { Pace, parseSpeed } from './pace.ts';
import { replayCorpus } from './replay-corpus.ts';

const LOST: SessionError = { kind: 'lost', closeCode: 1006, reason: '', reconnect: 'backoff' };
const refused = (code: ErrorCode, details: { expected?: number } = {}): Result<never, SessionError> =>
  err({ kind: 'refused', error: frameError(code, 'no', details) });

interface Group {
  readonly members: Set<string>;
  readonly texts: string[];
  readonly counters: Map<string, number[]>;
}

/** A server in memory that keeps the rules a replay leans on, and refuses or forgets what a test tells it to. */
class ModelServer implements ChatPort {
  readonly groups = new Map<string, Group>();
  /** Asked before each request is carried out, and once more after it: an error then is a lost answer. */
  trouble: (when: 'before' | 'after', content: RequestContent) => SessionError | null = () => null;

  async request<Request extends RequestContent>(
    user: UserId,
    content: Request,
  ): Promise<Result<AnswerTo<Request>, SessionError>> {
    await Promise.resolve();
    const before = this.trouble('before', content);
    if (before !== null) return err(before);
    const outcome = this.#carryOut(user, content);
    const after = this.trouble('after', content);
    return after === null ? (outcome as Result<AnswerTo<Request>, SessionError>) : err(after);
  }

  #carryOut(user: string, content: RequestContent): Result<unknown, SessionError> {
    if (content.t === 'sync') return ok({ token: `token of ${user}` });
    if (content.t === 'create') {
      const id = String(content.conversation);
      if (!this.groups.has(id)) {
        this.groups.set(id, { members: new Set([user]), texts: ['created'], counters: new Map() });
      }
      return ok({ gen: 1, seq: 1 });
    }
    if (content.t !== 'join' && content.t !== 'send') return refused('bad_request');
    const group = this.groups.get(content.conversation);
    if (group === undefined) return refused('not_found');
    if (content.t === 'join') {
      if (!group.members.has(user)) group.texts.push(`joined ${user}`);
      group.members.add(user);
      return ok({ gen: generation(1), seq: sequenceId(group.texts.length) });
    }
    if (!group.members.has(user)) return refused('not_member');
    const seqs = group.counters.get(user) ?? [];
    group.counters.set(user, seqs);
    const known = seqs[content.n - 1];
    if (known !== undefined) return ok({ gen: 1, seq: known });
    if (content.n <= seqs.length) return refused('expired');
    const after = content.after ?? content.n - 1;
    if (after !== seqs.length) return refused('out_of_order', { expected: seqs.length + 1 });
    group.texts.push(`${user}: ${String(content.body)}`);
    seqs[content.n - 1] = group.texts.length;
    return ok({ gen: 1, seq: group.texts.length });
  }
}

const CHANNELS = 3;
const LINES = 60;
const AUTHORS = ['ada', 'bob', 'eve', 'mallory'];
/** `channel author text` in an order that mixes the channels. */
const corpus: readonly (readonly [string, string, string])[] = Array.from({ length: LINES }, (_, index) => [
  `c${String(index % CHANNELS)}`,
  AUTHORS[(index * 7) % AUTHORS.length] ?? '',
  `text ${String(index)}`,
]);

async function* linesOf(misfitAt = -1): AsyncGenerator<Result<CorpusLine, Misfit>> {
  for (const [index, [channel, from, text]] of corpus.entries()) {
    await Promise.resolve();
    const line = { channel, at: '2026-01-01T00:00:00Z', from, text };
    yield parseCorpusLine(index === misfitAt ? '{}' : JSON.stringify(line), index + 1, 1000);
  }
}

let dir = '';
let server: ModelServer;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-replay-'));
  server = new ModelServer();
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

interface Outcome {
  readonly stoppedBy: string | null;
  readonly sent: number;
  readonly ledgered: number;
  readonly misfits: readonly Misfit[];
  readonly forgotten: readonly string[];
}

/** One life of the replaying process: with the ledger at `path` when it is there. */
async function replay(path: string, options: { misfitAt?: number; interrupted?: AbortSignal } = {}): Promise<Outcome> {
  const before = await readLedger(path);
  const created = before.ok
    ? ok(LedgerWriter.resume(before.value))
    : LedgerWriter.create(path, {
        ledger: 1,
        run: 'run',
        device: 'replay-run' as DeviceId,
        url: '',
        file: '',
        fileSha256: '',
        startedAt: '',
      });
  if (!created.ok) throw new Error(created.error);
  const writer = created.value;
  const done = { sent: 0, ledgered: 0 };
  const misfits: Misfit[] = [];
  const forgotten: string[] = [];
  const { stoppedBy } = await replayCorpus(linesOf(options.misfitAt), {
    run: 'run',
    desk: {
      chat: server,
      clock: systemClock,
      retry: {
        initialMs: 1,
        maxMs: 1,
        attemptsMax: 5,
        random: seededRandom(1),
        sleep: () => Promise.resolve(),
      },
      book: before.ok ? before.value.book : emptyBook(),
      write: (record) => writer.append(record),
      onForgotten: (text) => forgotten.push(text),
    },
    pace: new Pace({ kind: 'max' }),
    sleep: () => Promise.resolve(),
    channelsMax: 2,
    readAheadMax: 10,
    interrupted: options.interrupted ?? new AbortController().signal,
    onMisfit: (misfit) => misfits.push(misfit),
    onDone: (how) => (done[how] += 1),
  });
  writer.close();
  return { stoppedBy, ...done, misfits, forgotten };
}

/** What each group holds, joins left out. */
const saidIn = (channel: string): string[] =>
  (server.groups.get(`run.${channel}`)?.texts ?? []).filter((text) => text.includes(': '));
const corpusOf = (channel: string): string[] =>
  corpus.filter(([name]) => name === channel).map(([, from, text]) => `${from}: ${text}`);

function expectWholeCorpus(): void {
  for (let channel = 0; channel < CHANNELS; channel += 1) {
    const name = `c${String(channel)}`;
    expect(saidIn(name)).toEqual(corpusOf(name));
  }
}

describe('a replay', () => {
  it('sends every line once as its author, in the order of its channel, and ledgers each', async () => {
    const path = join(dir, 'ledger');
    expect(await replay(path)).toMatchObject({ stoppedBy: null, sent: LINES, ledgered: 0, misfits: [] });
    expectWholeCorpus();
    const ledger = await readLedger(path);
    expect(ledger.ok && countsOf(ledger.value.book)).toEqual({ messages: LINES, conversations: 3, members: 4 });
  });

  it('lets an author join before their first line, not before', async () => {
    await replay(join(dir, 'ledger'));
    const texts = server.groups.get('run.c0')?.texts ?? [];
    const [creator, ...others] = new Set(corpusOf('c0').map((said) => said.split(':')[0] ?? ''));
    expect(texts.filter((text) => text.startsWith('joined'))).toHaveLength(others.length);
    expect(texts).not.toContain(`joined ${creator ?? ''}`);
    for (const author of others) {
      const firstAt = texts.findIndex((text) => text.startsWith(`${author}: `));
      expect(texts[firstAt - 1]).toBe(`joined ${author}`);
    }
  });

  it('stores nothing twice when answers are lost (I4, I5)', async () => {
    const random = seededRandom(7);
    server.trouble = () => (random.fraction() < 0.15 ? LOST : null);
    expect(await replay(join(dir, 'ledger'))).toMatchObject({ stoppedBy: null, sent: LINES });
    expectWholeCorpus();
  });

  it('that died at any point goes on where it stopped, and the message in flight is stored once (I4)', async () => {
    const path = join(dir, 'ledger');
    let lives = 0;
    let sent = 0;
    for (let left = 1; left > 0;) {
      // Every life ends after a few more sends, some of them carried out but never answered.
      let alive = 3 + lives;
      server.trouble = (when, content) => {
        if (content.t === 'send' && when === 'before') alive -= 1;
        const dead = alive < 0 || (alive === 0 && when === 'after');
        return dead ? { ...LOST, reconnect: 'never' } : null;
      };
      const outcome = await replay(path);
      sent += outcome.sent;
      left = LINES - outcome.ledgered - outcome.sent;
      lives += 1;
      expect(lives).toBeLessThan(LINES);
    }
    expect(lives).toBeGreaterThan(3);
    expect(sent).toBe(LINES);
    expectWholeCorpus();
  });

  it('leaves out a line that does not fit and tells its number; its author did not join for it', async () => {
    const outcome = await replay(join(dir, 'ledger'), { misfitAt: 4 });
    expect(outcome).toMatchObject({ stoppedBy: null, sent: LINES - 1, misfits: [{ line: 5 }] });
    expect(saidIn('c1')).toEqual(corpusOf('c1').filter((text) => !text.endsWith('text 4')));
  });

  it('stops at what is refused for good, and says at which line', async () => {
    server.trouble = (when, content) =>
      when === 'before' && content.t === 'send' && content.body === 'text 30'
        ? { kind: 'refused', error: frameError('forbidden', 'you may not') }
        : null;
    const outcome = await replay(join(dir, 'ledger'));
    expect(outcome.stoppedBy).toMatch(/^Line 31 .*forbidden: you may not/);
    expect(outcome.sent).toBeLessThan(LINES);
  });

  it('gives up after so many attempts, when the server stays away', async () => {
    server.trouble = () => LOST;
    const outcome = await replay(join(dir, 'ledger'));
    expect(outcome.stoppedBy).toMatch(/the connection was lost/);
  });

  it('goes on behind what the server has forgotten, and tells of it', async () => {
    let forgetful = true;
    server.trouble = (when, content) => {
      if (when === 'before' && forgetful && content.t === 'send' && content.body === 'text 45') {
        forgetful = false;
        const group = server.groups.get('run.c0');
        for (const seqs of group?.counters.values() ?? []) seqs.length = Math.min(seqs.length, 1);
      }
      return null;
    };
    const outcome = await replay(join(dir, 'ledger'));
    expect(outcome.stoppedBy).toBe(null);
    expect(outcome.forgotten[0]).toMatch(/has forgotten messages 2 to \d+ of \w+ in run\.c0/);
  });

  it('that is interrupted finishes what it began and can be resumed', async () => {
    const path = join(dir, 'ledger');
    const interrupt = new AbortController();
    server.trouble = (when, content) => {
      if (when === 'before' && content.t === 'send' && content.body === 'text 20') interrupt.abort();
      return null;
    };
    const first = await replay(path, { interrupted: interrupt.signal });
    expect(first.stoppedBy).toBe(null);
    expect(first.sent).toBeLessThan(LINES);
    const second = await replay(path);
    expect(second.ledgered).toBe(first.sent);
    expect(second.sent).toBe(LINES - first.sent);
    expectWholeCorpus();
  });
});

describe('the pace of a replay', () => {
  it.each([
    ['max', { kind: 'max' }],
    [undefined, { kind: 'max' }],
    ['250', { kind: 'perSecond', messages: 250 }],
    ['0.5', { kind: 'perSecond', messages: 0.5 }],
    ['x60', { kind: 'realTime', times: 60 }],
  ])('is read from %s', (text, speed) => {
    expect(parseSpeed(text)).toEqual({ ok: true, value: speed });
  });

  it.each(['0', 'x0', '-1', 'fast', '60x', 'x', ''])('cannot be "%s"', (text) => {
    expect(parseSpeed(text).ok).toBe(false);
  });

  it('of so many a second spaces them evenly, and does not catch up in a burst', () => {
    const pace = new Pace({ kind: 'perSecond', messages: 10 });
    expect([pace.waitMs('a', 0, 0), pace.waitMs('b', 0, 0), pace.waitMs('a', 0, 0)]).toEqual([0, 100, 200]);
    expect([pace.waitMs('a', 0, 9_000), pace.waitMs('a', 0, 9_000)]).toEqual([0, 100]);
  });

  it('of real time runs from the beginning of each channel', () => {
    const pace = new Pace({ kind: 'realTime', times: 60 });
    expect(pace.waitMs('a', 1_000_000, 500)).toBe(0);
    expect(pace.waitMs('a', 1_060_000, 500)).toBe(1000);
    expect(pace.waitMs('b', 9_000_000, 700)).toBe(0);
    expect(pace.waitMs('a', 1_060_000, 5_000)).toBe(0);
  });
});
