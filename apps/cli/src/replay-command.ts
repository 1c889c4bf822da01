import { resolve } from 'node:path';
import {
  err,
  ok,
  parseDeviceId,
  systemClock,
  systemRandom,
  systemTimers,
  type DeviceId,
  type Result,
} from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import { describeSessionError, type RetryPolicy, type SessionError } from '@millrace/raw-client';
import { exitCode, wholeNumber, type Args, type Command, type Context } from './command.ts';
import { findEndpoints, urlOf, urlOption } from './endpoints.ts';
import { emptyBook, type LedgerBook } from './ledger/ledger-book.ts';
import { LedgerWriter, ledgerPath, newestLedger, readLedger } from './ledger/ledger-file.ts';
import { LEDGER_VERSION } from './ledger/ledger-record.ts';
import { Progress, duration, grouped } from './progress.ts';
import { Pace, parseSpeed, type Speed } from './replay/pace.ts';
import { readCorpus, summarizeCorpus, type CorpusSummary } from './replay/read-corpus.ts';
import { replayCorpus, type ReplayEnd } from './replay/replay-corpus.ts';
import { SessionPool, rawSessionsOf } from './session-pool.ts';
import type { Terminal } from './terminal.ts';
import { dataDirOf, tokenOptions, tokenSourceOf, type TokenSource } from './token-source.ts';
import { waitOrAbort } from './wait.ts';

const SOCKETS_DEFAULT = 1_000;
const CHANNELS_MAX = 64;
/** Lines, some hundred bytes each. */
const READ_AHEAD_MAX = 50_000;
const MISFITS_SHOWN = 20;
/** With waits of up to 5 s, a server may be away for minutes. */
const ATTEMPTS_MAX = 100;
const RUN_NAME = /^[A-Za-z0-9._-]{1,24}$/;

interface Plan {
  readonly file: string;
  readonly url: string;
  readonly websocket: string;
  readonly tokenOf: TokenSource;
  readonly speed: Speed;
  readonly limit: number;
  readonly sockets: number;
}

interface OpenLedger {
  readonly run: string;
  readonly device: DeviceId;
  readonly book: LedgerBook;
  readonly writer: LedgerWriter;
}

/** `20260131-142501`, in UTC: sorts by time, and two runs differ. */
const runNameNow = (nowMs: number): string =>
  new Date(nowMs).toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);

async function planOf(args: Args, { environment }: Context): Promise<Result<Plan, string>> {
  const [file, ...more] = args.words;
  if (file === undefined || more.length > 0) return err('replay needs the path of one FILE.');
  const speed = parseSpeed(args.text('speed'));
  if (!speed.ok) return speed;
  const limit = wholeNumber(args, 'limit', { from: 1, to: Number.MAX_SAFE_INTEGER });
  if (!limit.ok) return limit;
  const sockets = wholeNumber(args, 'sockets', { from: 1, to: 50_000 });
  if (!sockets.ok) return sockets;
  const url = urlOf(args, environment);
  if (!url.ok) return url;
  const tokenOf = tokenSourceOf(args, environment);
  if (!tokenOf.ok) return tokenOf;
  const endpoints = await findEndpoints(url.value);
  if (!endpoints.ok) return endpoints;
  return ok({
    file: resolve(file),
    url: url.value,
    websocket: endpoints.value.websocket,
    tokenOf: tokenOf.value,
    speed: speed.value,
    limit: limit.value ?? Number.MAX_SAFE_INTEGER,
    sockets: sockets.value ?? SOCKETS_DEFAULT,
  });
}

async function resumeLedger(path: string, plan: Plan, corpus: CorpusSummary): Promise<Result<OpenLedger, string>> {
  const ledger = await readLedger(path);
  if (!ledger.ok) return ledger;
  const { run } = ledger.value;
  if (run.fileSha256 !== corpus.sha256) return err(`${path} is the ledger of another corpus: ${run.file}.`);
  return ok({ run: run.run, device: run.device, book: ledger.value.book, writer: LedgerWriter.resume(ledger.value) });
}

async function openLedger(
  args: Args,
  context: Context,
  plan: Plan,
  corpus: CorpusSummary,
): Promise<Result<OpenLedger, string>> {
  const dataDir = dataDirOf(args, context.environment);
  const named = args.text('run');
  if (args.flag('resume')) {
    const path = args.text('ledger') ?? (named === undefined ? newestLedger(dataDir) : ledgerPath(dataDir, named));
    if (path === null) return err(`There is no ledger in ${dataDir} to resume.`);
    return resumeLedger(path, plan, corpus);
  }
  const run = named ?? runNameNow(systemClock.nowMs());
  if (!RUN_NAME.test(run)) return err('--run must be 1 to 24 of the characters A-Z a-z 0-9 . _ -');
  const device = parseDeviceId(`replay-${run}`);
  if (!device.ok) return err(device.error.message);
  const writer = LedgerWriter.create(args.text('ledger') ?? ledgerPath(dataDir, run), {
    ledger: LEDGER_VERSION,
    run,
    device: device.value,
    url: plan.url,
    file: plan.file,
    fileSha256: corpus.sha256,
    startedAt: new Date(systemClock.nowMs()).toISOString(),
  });
  return writer.ok ? ok({ run, device: device.value, book: emptyBook(), writer: writer.value }) : writer;
}

/** Tells of trouble once in a while, not for each of a thousand requests that met it. */
function troubleTeller(terminal: Terminal): NonNullable<RetryPolicy['onRetry']> {
  let quietUntilMs = 0;
  return (error: SessionError, attempt, delayMs) => {
    const nowMs = systemClock.monotonicMs();
    if (attempt < 2 || nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + 5_000;
    terminal.note(`${describeSessionError(error)}; trying again in ${(delayMs / 1000).toFixed(1)} s`);
  };
}

async function* upTo<T>(limit: number, items: AsyncIterable<T>): AsyncGenerator<T> {
  let left = limit;
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left <= 0) return;
  }
}

interface Counts {
  sent: number;
  ledgered: number;
  misfits: number;
}

async function replayPlan(
  plan: Plan,
  ledger: OpenLedger,
  total: number,
  terminal: Terminal,
  counts: Counts,
): Promise<ReplayEnd> {
  const { interrupted } = terminal;
  const sleep = (delayMs: number): Promise<void> => waitOrAbort(delayMs, interrupted);
  const pool = new SessionPool(
    plan.sockets,
    rawSessionsOf({
      websocket: plan.websocket,
      device: ledger.device,
      tokenOf: plan.tokenOf,
      timers: systemTimers,
    }),
  );
  const progress = new Progress({ terminal, clock: systemClock, timers: systemTimers }, 'replayed', total);
  try {
    return await replayCorpus(upTo(plan.limit, readCorpus(plan.file, protocolLimits.bodyBytes)), {
      run: ledger.run,
      desk: {
        chat: pool,
        clock: systemClock,
        retry: {
          initialMs: 100,
          maxMs: 5_000,
          random: systemRandom,
          sleep,
          onRetry: troubleTeller(terminal),
          get attemptsMax() {
            return interrupted.aborted ? 1 : ATTEMPTS_MAX;
          },
        },
        book: ledger.book,
        write: (record) => {
          ledger.writer.append(record);
        },
        onForgotten: (text) => {
          terminal.note(text);
        },
      },
      pace: new Pace(plan.speed),
      sleep,
      channelsMax: CHANNELS_MAX,
      readAheadMax: READ_AHEAD_MAX,
      interrupted,
      onMisfit: (misfit) => {
        counts.misfits += 1;
        progress.add(1);
        if (counts.misfits <= MISFITS_SHOWN) {
          terminal.note(`line ${String(misfit.line)} is left out: ${misfit.reason}`);
        }
      },
      onDone: (how) => {
        counts[how] += 1;
        progress.add(1);
      },
    });
  } catch (error) {
    return { stoppedBy: error instanceof Error ? error.message : String(error) };
  } finally {
    progress.end();
    pool.close();
    ledger.writer.close();
  }
}

async function run(args: Args, context: Context): Promise<number> {
  const { terminal } = context;
  const plan = await planOf(args, context);
  if (!plan.ok) {
    terminal.note(plan.error);
    return exitCode.misused;
  }
  const corpus = await summarizeCorpus(plan.value.file);
  const ledger = corpus.ok ? await openLedger(args, context, plan.value, corpus.value) : corpus;
  if (!corpus.ok || !ledger.ok) {
    terminal.note(ledger.ok ? '' : ledger.error);
    return exitCode.failed;
  }
  const total = Math.min(corpus.value.lines, plan.value.limit);
  terminal.note(`Replaying ${grouped(total)} lines as run ${ledger.value.run}; ledger ${ledger.value.writer.path}`);
  const counts: Counts = { sent: 0, ledgered: 0, misfits: 0 };
  const startedMs = systemClock.monotonicMs();
  const { stoppedBy } = await replayPlan(plan.value, ledger.value, total, terminal, counts);
  const seconds = (systemClock.monotonicMs() - startedMs) / 1000;
  if (counts.misfits > 0) terminal.note(`${grouped(counts.misfits)} lines do not fit and were left out.`);
  if (counts.ledgered > 0) terminal.note(`${grouped(counts.ledgered)} lines were in the ledger already.`);
  const rate = grouped(counts.sent / Math.max(seconds, 0.001));
  terminal.out(`replayed ${String(counts.sent)} messages in ${duration(seconds)} (${rate}/s)`);
  if (stoppedBy !== null) terminal.note(stoppedBy);
  const whole = counts.sent + counts.ledgered + counts.misfits === total;
  if (!whole)
    terminal.note(
      `Stopped before the end; go on by: millrace replay ${plan.value.file} --resume --run ${ledger.value.run}`,
    );
  return whole ? exitCode.done : exitCode.failed;
}

export const replayCommand: Command = {
  name: 'replay',
  usage: 'FILE [options]',
  summary: 'Sends a corpus of messages, each as its author, and keeps a ledger of what was acknowledged',
  description: [
    'FILE holds one message a line, as JSON: {"channel", "at", "from", "text"}, gzipped or plain. Each channel becomes a ' +
      'group, each name a user who joins before their first line. Lines keep their order within a channel; channels are ' +
      'replayed side by side. A line that does not fit is told with its number and left out.',
    'Every acknowledged message is written to the ledger before the next one is sent. `millrace verify` reads everything ' +
      'back and compares. A replay that was stopped goes on with --resume.',
  ],
  options: [
    { name: 'limit', value: 'N', help: 'Only the first N lines.' },
    {
      name: 'speed',
      value: 'SPEED',
      help: '"max" (the default), a number of messages a second (100), or a multiple of real time in each channel (x60).',
    },
    { name: 'run', value: 'NAME', help: 'Names this run and its groups. Default: the time.' },
    {
      name: 'ledger',
      value: 'FILE',
      help: 'Where to write the ledger. Default: ledgers/RUN.jsonl in the data directory.',
    },
    {
      name: 'resume',
      help: 'Goes on behind the last line of the newest ledger, or of the one named by --run or --ledger.',
    },
    { name: 'sockets', value: 'N', help: `Connections kept open at most. Default: ${String(SOCKETS_DEFAULT)}` },
    urlOption,
    ...tokenOptions,
  ],
  run,
};
