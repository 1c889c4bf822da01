import { systemClock, systemRandom, systemTimers, type DeviceId } from '@millrace/kernel';
import { withRetries } from '@millrace/raw-client';
import { exitCode, wholeNumber, type Args, type Command, type Context } from './command.ts';
import { findEndpoints, urlOf, urlOption } from './endpoints.ts';
import { countsOf } from './ledger/ledger-book.ts';
import { newestLedger, readLedger } from './ledger/ledger-file.ts';
import { liveOptions, runLive } from './live/live-command.ts';
import { Progress, duration, grouped } from './progress.ts';
import { SessionPool, rawSessionsOf } from './session-pool.ts';
import { dataDirOf, tokenOptions, tokenSourceOf } from './token-source.ts';
import { chainOptions, runChain } from './verify/chain-command.ts';
import { exportOptions, runExportCheck } from './verify/export-command.ts';
import { isClean, verdict, verifyRun, type VerifyReport } from './verify/verify-run.ts';
import { verifyTable } from './verify/verify-table.ts';
import { waitOrAbort } from './wait.ts';

const MEMBERS_AT_ONCE = 16;
const ATTEMPTS_MAX = 30;
/** Diffusion of the last messages may take this often times this long. */
const SETTLE_TRIES = 40;
const SETTLE_MS = 250;

function show(report: VerifyReport, seconds: number, { terminal }: Context): void {
  for (const line of verifyTable(report.checks)) terminal.out(line);
  const { complete, incomplete, trimmed } = report.inboxes;
  terminal.out(
    `read ${grouped(report.entriesRead)} entries as ${grouped(report.members)} members in ${duration(seconds)} ` +
      `(${grouped(report.entriesRead / Math.max(seconds, 0.001))}/s)`,
  );
  terminal.out(
    `inboxes of ${String(complete + incomplete + trimmed)} members synced from before their first message: ` +
      `${String(complete)} complete, ${String(incomplete)} incomplete, ${String(trimmed)} trimmed since`,
  );
  for (const fault of report.faults) terminal.note(fault);
  if (report.stoppedBy !== null) terminal.note(`Not everything was read: ${report.stoppedBy}`);
  terminal.out(verdict(report));
}

async function run(args: Args, context: Context): Promise<number> {
  const { terminal, environment } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  if (args.flag('chain')) return runChain(args, context);
  const file = args.text('export');
  if (file !== undefined) return runExportCheck(args, file, context);
  if (args.flag('compare')) return misused('--compare goes with --export FILE.');
  if (args.texts('expect').length > 0) return misused('--expect goes with --chain CONVERSATION.');
  if (args.words.length > 0) return misused('verify takes options only; name a ledger by --ledger FILE.');
  if (args.flag('live')) return runLive(args, context);
  const ofLive = liveOptions.find(({ name }) => args.flag(name) || args.text(name) !== undefined);
  if (ofLive !== undefined) return misused(`--${ofLive.name} goes with --live.`);
  const atOnce = wholeNumber(args, 'members-at-once', { from: 1, to: 1_000 });
  if (!atOnce.ok) return misused(atOnce.error);
  const path = args.text('ledger') ?? newestLedger(dataDirOf(args, environment));
  if (path === null) return misused(`There is no ledger in ${dataDirOf(args, environment)}: replay a corpus first.`);
  const tokenOf = tokenSourceOf(args, environment);
  if (!tokenOf.ok) return misused(tokenOf.error);

  const ledger = await readLedger(path);
  if (!ledger.ok) return misused(ledger.error);
  const { book, run: replayed } = ledger.value;
  // Where it was replayed to, unless told otherwise.
  const url = args.text('url') === undefined ? { ok: true as const, value: replayed.url } : urlOf(args, environment);
  if (!url.ok) return misused(url.error);
  const endpoints = await findEndpoints(url.value);
  if (!endpoints.ok) {
    terminal.note(endpoints.error);
    return exitCode.failed;
  }

  const counts = countsOf(book);
  terminal.note(
    `Verifying ${path}: ${grouped(counts.messages)} messages in ${grouped(counts.conversations)} conversations, ` +
      `read as each of ${grouped(counts.members)} members`,
  );
  const { interrupted } = terminal;
  const membersAtOnce = atOnce.value ?? MEMBERS_AT_ONCE;
  const pool = new SessionPool(
    membersAtOnce * 2,
    rawSessionsOf({
      websocket: endpoints.value.websocket,
      // One that no server has seen: it knows nothing, and nothing is known of it.
      device: `verify-${systemRandom.id()}` as DeviceId,
      tokenOf: tokenOf.value,
      timers: systemTimers,
    }),
  );
  const retry = {
    initialMs: 100,
    maxMs: 5_000,
    random: systemRandom,
    sleep: (delayMs: number) => waitOrAbort(delayMs, interrupted),
    get attemptsMax() {
      return interrupted.aborted ? 1 : ATTEMPTS_MAX;
    },
  };
  const progress = new Progress({ terminal, clock: systemClock, timers: systemTimers }, 'members', counts.members);
  const startedMs = systemClock.monotonicMs();
  const report = await verifyRun({
    ask: (user, content) => withRetries(retry, () => pool.request(user, content)),
    book,
    membersAtOnce,
    settleTries: SETTLE_TRIES,
    settle: () => waitOrAbort(SETTLE_MS, interrupted),
    interrupted,
    onMember: () => {
      progress.add(1);
    },
  });
  progress.end();
  pool.close();
  show(report, (systemClock.monotonicMs() - startedMs) / 1000, context);
  return isClean(report) ? exitCode.done : exitCode.failed;
}

export const verifyCommand: Command = {
  name: 'verify',
  usage: '[--chain [CONVERSATION]] [options]',
  summary:
    'Reads a replayed corpus back as every member, or checks a cluster under load (--live), the archive (--chain), or an export',
  description: [
    'For every member a new device syncs from nothing and pages through the history of each conversation: every seq from 1 ' +
      'to the head must be there once, every acknowledged message at its seq with its text, and the summaries (unread ' +
      'counts, heads) must agree with the history. For a sample of members a device from before their first message syncs on.',
    'The last line is "verified N messages, N conversations, N members: 0 lost, 0 duplicated, 0 gaps". The exit code is 0 only ' +
      'when nothing is wrong.',
    'With --live nothing is replayed: it writes to conversations of its own, over all nodes that --url names, and goes on ' +
      'when they fail. Every acknowledged message must be stored once, at the seq of its ack, and come to every device of ' +
      'every member once, in order. It tells the longest time that a sender waited for an ack, and when.',
    'With --chain nothing is replayed either: it checks the hash chain of what is archived (docs/archive.md), also behind an ' +
      'erasure, and says where one is broken. Of one CONVERSATION it prints a mark: kept elsewhere, and given as --expect ' +
      'another time, it shows that nothing up to it was exchanged. With --export it checks a file of `millrace export`.',
  ],
  options: [
    { name: 'ledger', value: 'FILE', help: 'What to compare with. Default: the newest ledger in the data directory.' },
    {
      name: 'members-at-once',
      value: 'N',
      help: `Members read as at the same time. Default: ${String(MEMBERS_AT_ONCE)}`,
    },
    {
      ...urlOption,
      several: true,
      help: 'The HTTP address of the server. Default: the one that was replayed to. With --live: of a node; name several.',
    },
    ...liveOptions,
    ...chainOptions,
    ...exportOptions,
    ...tokenOptions,
  ],
  run,
};
