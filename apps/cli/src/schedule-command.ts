import { ok, err, parseConversationId, type Result } from '@millrace/kernel';
import type { ScheduledMessage } from '@millrace/protocol';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOption } from './endpoints.ts';
import { openClient, reasonOf } from './open-client.ts';
import { tokenOptions } from './token-source.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DATE = /^\d{4}-\d\d-\d\d/;
const AHEAD = /^\+(\d{1,9})([smhd])$/;

/**
 * @param text - `+90s`, `+15m`, `+2h`, `+3d`, or a time as ISO 8601 writes it.
 * @returns milliseconds since 1970.
 */
export function dueTimeOf(text: string | undefined, nowMs: number): Result<number, string> {
  const [, count, unit = ''] = AHEAD.exec(text ?? '') ?? [];
  if (count !== undefined) return ok(nowMs + Number(count) * (UNITS[unit] ?? 0));
  const at = DATE.test(text ?? '') ? Date.parse(text ?? '') : Number.NaN;
  return Number.isNaN(at)
    ? err('--at takes a time, 2031-05-01T09:00:00Z say, or how long from now: +15m, +2h, +3d.')
    : ok(at);
}

/** A line for one of them. */
export function scheduledLine(message: ScheduledMessage): string {
  const { key, conversation, dueAt, state, body, gen, seq, error } = message;
  const became =
    state === 'sent'
      ? `${String(gen ?? 0)}-${String(seq ?? 0)}`
      : state === 'failed'
        ? `(${error?.code ?? 'internal'}: ${error?.message ?? ''})`
        : '';
  const said = typeof body === 'string' ? body : body === undefined ? '' : `<${String(body.length)} bytes>`;
  return [new Date(dueAt).toISOString(), state, conversation, key, became, said]
    .filter((part) => part !== '')
    .join('  ');
}

async function run(args: Args, context: Context): Promise<number> {
  const { terminal } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const text = args.words.join(' ');
  const cancelled = args.text('cancel');
  const isListing = text === '' && cancelled === undefined;
  const isScheduling = text !== '';
  if (isScheduling && cancelled !== undefined) return misused('Either a TEXT, or --cancel KEY.');
  const at = isScheduling ? dueTimeOf(args.text('at'), Date.now()) : ok(0);
  if (!at.ok) return misused(at.error);
  const conversation = isScheduling ? parseConversationId(args.text('conversation')) : null;
  if (conversation?.ok === false) return misused(`--conversation: ${conversation.error.message}`);
  const opened = await openClient(args, context);
  if (!opened.ok) return misused(opened.error);
  const { client } = opened.value;
  try {
    await client.connect();
    if (conversation?.ok === true) {
      const key = args.text('key');
      const stored = await client.scheduled.add(conversation.value, at.value, text, key === undefined ? {} : { key });
      terminal.out(scheduledLine(stored));
    }
    if (cancelled !== undefined) {
      await client.scheduled.cancel(cancelled);
      terminal.out(`${cancelled} is taken back`);
    }
    for (let after: string | null = isListing ? '' : null; after !== null;) {
      const page = await client.scheduled.list(after === '' ? {} : { after });
      for (const message of page.messages) terminal.out(scheduledLine(message));
      after = page.next;
    }
    return exitCode.done;
  } catch (error) {
    terminal.note(`Not done: ${reasonOf(error)}`);
    return exitCode.failed;
  } finally {
    await client.close();
  }
}

export const scheduleCommand: Command = {
  name: 'schedule',
  usage: '--as USER [--conversation ID --at TIME [--key KEY] TEXT... | --cancel KEY]',
  summary: 'Has a message sent at a later time; lists those that wait, and takes them back',
  description: [
    'With a TEXT: the server stores it, and sends it as USER when its time has come. Under the KEY of one that waits it takes ' +
      "that one's place. Prints when it is due, its state, conversation, key and text.",
    'Without: prints such a line for each that waits, was sent or failed, the first due first. --cancel takes one back, or off the list.',
  ],
  options: [
    { name: 'as', value: 'USER', help: 'Whose message it is.' },
    { name: 'conversation', value: 'ID', help: 'Where it is to be sent; USER is a member.' },
    { name: 'at', value: 'TIME', help: 'When: 2031-05-01T09:00:00Z, or from now: +90s, +15m, +2h, +3d.' },
    { name: 'key', value: 'KEY', help: 'The name of the message, of up to 64 characters. Default: a random one.' },
    { name: 'cancel', value: 'KEY', help: 'The one that is taken back.' },
    urlOption,
    ...tokenOptions,
  ],
  run,
};
