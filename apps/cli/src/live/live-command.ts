import { systemRandom } from '@millrace/kernel';
import { exitCode, wholeNumber, type Args, type Context, type OptionSpec } from '../command.ts';
import { findEndpoints, urlsOf } from '../endpoints.ts';
import { duration, grouped } from '../progress.ts';
import { tokenSourceOf } from '../token-source.ts';
import { liveTable, liveVerdict, type LiveProgress } from './live-report.ts';
import { LiveRun } from './live-run.ts';

const defaults = {
  rate: 200,
  users: 12,
  devices: 2,
  conversations: 12,
  members: 4,
  writers: 2,
  window: 16,
  settle: 60,
} as const;
const BYTES = 200;
/** On a terminal each second, else less often. */
const LINES_EVERY = 5;

const option = (name: string, value: string, help: string): OptionSpec => ({
  name,
  value,
  help: `With --live: ${help}`,
});

export const liveOptions: readonly OptionSpec[] = [
  {
    name: 'live',
    help:
      'Checks a running cluster from outside: opens senders and receiving devices of its own, publishes at a steady rate, ' +
      'and holds everything that anybody is told against everything else, until --seconds are over or it is interrupted.',
  },
  option('rate', 'N', `messages a second, or "max". Default: ${String(defaults.rate)}`),
  option('seconds', 'N', 'for how long to publish. Default: until Ctrl-C (or SIGTERM)'),
  option('users', 'N', `how many. Default: ${String(defaults.users)}`),
  option('devices', 'N', `receiving devices of each user. Default: ${String(defaults.devices)}`),
  option('conversations', 'N', `how many. Default: ${String(defaults.conversations)}`),
  option('members', 'N', `of each conversation. Default: ${String(defaults.members)}`),
  option('writers', 'N', `members of each conversation that write. Default: ${String(defaults.writers)}`),
  option('window', 'N', `unanswered messages of each sender. Default: ${String(defaults.window)}`),
  option('settle-seconds', 'N', `how long the end may take to come everywhere. Default: ${String(defaults.settle)}`),
  { name: 'json', help: 'With --live: prints JSON objects, a line each: one a second, and the result last.' },
];

/** @returns messages a second, null for as many as go, or what is wrong. */
function rateOf(args: Args): number | null | string {
  if (args.text('rate') === 'max') return null;
  const rate = wholeNumber(args, 'rate', { from: 1, to: 1_000_000 });
  return rate.ok ? (rate.value ?? defaults.rate) : rate.error;
}

function progressLine({ seconds, written, acked, unacknowledged, delivered, wrong }: LiveProgress): string {
  return (
    `${duration(seconds)}: ${grouped(written)} written, ${grouped(acked)} acknowledged, ${grouped(unacknowledged)} waiting, ` +
    `${grouped(delivered)} delivered, ${grouped(wrong)} wrong`
  );
}

/** `millrace verify --live`. */
export async function runLive(args: Args, { terminal, environment }: Context): Promise<number> {
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const rate = rateOf(args);
  if (typeof rate === 'string') return misused(rate);
  const wanted = {
    seconds: wholeNumber(args, 'seconds', { from: 1, to: 10_000_000 }),
    users: wholeNumber(args, 'users', { from: 2, to: 10_000 }),
    devices: wholeNumber(args, 'devices', { from: 1, to: 16 }),
    conversations: wholeNumber(args, 'conversations', { from: 1, to: 10_000 }),
    members: wholeNumber(args, 'members', { from: 2, to: 200 }),
    writers: wholeNumber(args, 'writers', { from: 1, to: 200 }),
    window: wholeNumber(args, 'window', { from: 1, to: 64 }),
    settle: wholeNumber(args, 'settle-seconds', { from: 1, to: 100_000 }),
  };
  for (const one of Object.values(wanted)) if (!one.ok) return misused(one.error);
  const numberOf = (name: keyof typeof wanted): number | undefined => {
    const one = wanted[name];
    return one.ok ? one.value : undefined;
  };
  const urls = urlsOf(args, environment);
  if (!urls.ok) return misused(urls.error);
  const tokenOf = tokenSourceOf(args, environment);
  if (!tokenOf.ok) return misused(tokenOf.error);
  const addresses: string[] = [];
  for (const url of urls.value) {
    const endpoints = await findEndpoints(url);
    if (!endpoints.ok) {
      terminal.note(endpoints.error);
      return exitCode.failed;
    }
    addresses.push(endpoints.value.websocket);
  }

  const isJson = args.flag('json');
  const seconds = numberOf('seconds');
  const ends = seconds === undefined ? [] : [AbortSignal.timeout(seconds * 1000)];
  let lines = 0;
  const live = new LiveRun({
    run: `live-${systemRandom.id().slice(0, 10)}`,
    addresses,
    tokenOf: tokenOf.value,
    shape: {
      users: numberOf('users') ?? defaults.users,
      devices: numberOf('devices') ?? defaults.devices,
      conversations: numberOf('conversations') ?? defaults.conversations,
      members: numberOf('members') ?? defaults.members,
      writers: numberOf('writers') ?? defaults.writers,
    },
    rate,
    window: numberOf('window') ?? defaults.window,
    bytes: BYTES,
    publishing: AbortSignal.any([terminal.interrupted, ...ends]),
    settleMsMax: 1000 * (numberOf('settle') ?? defaults.settle),
    onStarted: () => {
      if (isJson) terminal.out(JSON.stringify({ event: 'started', at: new Date().toISOString() }));
      else terminal.note(`Publishing to ${addresses.join(', ')}${seconds === undefined ? '; end it by Ctrl-C' : ''}`);
    },
    onProgress: (progress) => {
      if (isJson) terminal.out(JSON.stringify(progress));
      else if (terminal.isInteractive) terminal.status(progressLine(progress));
      else if (lines++ % LINES_EVERY === 0) terminal.note(progressLine(progress));
    },
  });
  const result = await live.run();
  if (isJson) terminal.out(JSON.stringify(result));
  else {
    for (const line of liveTable(result)) terminal.out(line);
    for (const { conversation, gen, seq, sender, number, isTold } of result.lostMessages.slice(0, LINES_EVERY * 4)) {
      const told = isTold ? ', and a higher generation tells so' : '';
      terminal.note(`lost: ${conversation} ${String(gen)}-${String(seq)}, ${sender} ${String(number)}${told}`);
    }
    for (const sample of result.samples) terminal.note(sample);
    if (result.stoppedBy !== null) terminal.note(`Not everything was checked: ${result.stoppedBy}`);
    terminal.out(liveVerdict(result));
  }
  return result.ok ? exitCode.done : exitCode.failed;
}
