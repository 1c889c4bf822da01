import { MillraceError, type SearchOptions } from '@millrace/client';
import { err, ok, parseConversationId, parseUserId, systemClock, type Result } from '@millrace/kernel';
import { jsonMessage, type Found, type FoundHit, type FoundPlace } from '@millrace/protocol';
import { exitCode, wholeNumber, type Args, type Command, type Context } from './command.ts';
import { urlOption } from './endpoints.ts';
import { openClient, reasonOf } from './open-client.ts';
import { searchFieldsOf } from './search-fields.ts';
import { visible } from './tail-command.ts';
import { parseDuration } from './token-command.ts';
import { tokenOptions } from './token-source.ts';

const TYPES = ['text', 'image', 'file', 'custom'] as const;
const SORTS = ['time', 'relevance'] as const;
const LIMIT_MAX = 100;
const MARKED = { begin: '\u001b[1;33m', end: '\u001b[0m' };

type Answer = Omit<Found, 't' | 'id'>;

/** A time of an option: a date, or how long ago. */
export function timeOf(name: string, text: string, nowMs: number): Result<number, string> {
  const seconds = parseDuration(text);
  if (seconds !== null) return ok(nowMs - seconds * 1_000);
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isSafeInteger(ms) && ms >= 0) return ok(ms);
  return err(
    `--${name} must be a date such as 2026-01-31 or 2026-01-31T12:00:00Z, or how long ago: 24h, 7d; got "${text}".`,
  );
}

function oneOf<const T extends string>(args: Args, name: string, values: readonly T[]): Result<T | undefined, string> {
  const text = args.text(name);
  const value = values.find((each) => each === text);
  if (text === undefined || value !== undefined) return ok(value);
  return err(`--${name} must be one of ${values.join(', ')}, got "${text}".`);
}

function idsOf<T>(
  args: Args,
  name: string,
  parse: (text: string) => Result<T, { readonly message: string }>,
): Result<readonly T[], string> {
  const ids: T[] = [];
  for (const text of args.texts(name)) {
    const id = parse(text);
    if (!id.ok) return err(`--${name}: ${id.error.message}.`);
    ids.push(id.value);
  }
  return ok(ids);
}

/** The question that a command line asks, or what is wrong with it. */
export function questionOf(args: Args, nowMs: number): Result<SearchOptions, string> {
  const conversations = idsOf(args, 'conversation', parseConversationId);
  if (!conversations.ok) return conversations;
  const senders = idsOf(args, 'sender', parseUserId);
  if (!senders.ok) return senders;
  const mentions = idsOf(args, 'mentions', parseUserId);
  if (!mentions.ok) return mentions;
  const fields = searchFieldsOf(args.texts('field'));
  if (!fields.ok) return fields;
  const type = oneOf(args, 'type', TYPES);
  if (!type.ok) return type;
  const sort = oneOf(args, 'sort', SORTS);
  if (!sort.ok) return sort;
  const limit = wholeNumber(args, 'limit', { from: 1, to: LIMIT_MAX });
  if (!limit.ok) return limit;
  const times: { from?: number; to?: number } = {};
  for (const [name, field] of [
    ['since', 'from'],
    ['until', 'to'],
  ] as const) {
    const text = args.text(name);
    const time = text === undefined ? null : timeOf(name, text, nowMs);
    if (time?.ok === false) return time;
    if (time !== null) times[field] = time.value;
  }
  const text = args.words.join(' ');
  const mentioned = mentions.value.at(-1);
  const cursor = args.text('cursor');
  const filters = [conversations.value, senders.value, mentions.value, fields.value].flat().length;
  if (text === '' && filters === 0 && type.value === undefined && Object.keys(times).length === 0)
    return err('Say what to search for: millrace search WORDS… --as USER, or by an option such as --sender.');
  return ok({
    ...(text === '' ? {} : { text }),
    ...(args.flag('whole-words') ? { prefix: false } : {}),
    ...(conversations.value.length === 0 ? {} : { conversations: conversations.value }),
    ...(senders.value.length === 0 ? {} : { sender: senders.value }),
    ...(fields.value.length === 0 ? {} : { fields: fields.value }),
    ...(type.value === undefined ? {} : { type: type.value }),
    ...times,
    ...(mentioned === undefined ? {} : { mentions: mentioned }),
    ...(sort.value === undefined ? {} : { sort: sort.value }),
    ...(limit.value === undefined ? {} : { limit: limit.value }),
    ...(args.flag('count') ? { count: true } : {}),
    ...(cursor === undefined ? {} : { cursor }),
  });
}

/** A body with its places marked, safe for a terminal. */
export function marked(
  body: string,
  places: readonly FoundPlace[],
  marks: { readonly begin: string; readonly end: string },
): string {
  let line = '';
  let at = 0;
  for (const { start, end } of places) {
    line += `${visible(body.slice(at, start))}${marks.begin}${visible(body.slice(start, end))}${marks.end}`;
    at = end;
  }
  return line + visible(body.slice(at));
}

/** One line for one hit: when, where, at which position, who, what. */
export function hitLine({ conversation, message, places }: FoundHit, showsMarks: boolean): string {
  const { gen, seq, from, at, type, body } = message;
  const marks = showsMarks ? MARKED : { begin: '', end: '' };
  const text = typeof body === 'string' ? marked(body, places, marks) : `${String(body.length)} bytes`;
  const said = type === 'text' ? text : `(${type}) ${text}`;
  return `${new Date(at).toISOString()} ${conversation} ${String(gen)}-${String(seq)} ${from ?? '-'}: ${said}`;
}

/** What is to be told beside the hits. */
export function notesOf({ hits, next, complete, unsearched, counts }: Answer): readonly string[] {
  const notes: string[] = [];
  if (hits.length === 0 && next === null) notes.push('Nothing was found.');
  if (counts !== undefined) {
    notes.push(
      `${counts.exact ? '' : 'More than '}${String(counts.total)} in ${String(counts.conversations.length)} conversations.`,
    );
  }
  for (const { conversation, indexedThrough, searchedFrom } of unsearched) {
    notes.push(
      `${conversation}: ${String(indexedThrough + 1)} to ${String(searchedFrom - 1)} were not searched, the index is behind.`,
    );
  }
  if (!complete && unsearched.length === 0)
    notes.push('Not all conversations were searched: name some by --conversation.');
  if (next !== null) notes.push(`There is more: --cursor ${next}`);
  return notes;
}

const jsonOf = ({ hits, ...rest }: Answer): string =>
  JSON.stringify({ hits: hits.map((hit) => ({ ...hit, message: jsonMessage(hit.message) })), ...rest }, null, 2);

async function run(args: Args, context: Context): Promise<number> {
  const { terminal } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const question = questionOf(args, systemClock.nowMs());
  if (!question.ok) return misused(question.error);
  const opened = await openClient(args, context);
  if (!opened.ok) return misused(opened.error);
  const { client } = opened.value;
  terminal.interrupted.addEventListener('abort', () => void client.close());
  try {
    await client.connect();
    const answer = await client.search(question.value);
    if (args.flag('json')) terminal.out(jsonOf(answer));
    else {
      for (const hit of answer.hits) terminal.out(hitLine(hit, terminal.showsMarks === true));
      for (const note of notesOf(answer)) terminal.note(note);
    }
    return exitCode.done;
  } catch (error) {
    terminal.note(error instanceof MillraceError ? `It cannot be searched: ${error.message}` : reasonOf(error));
    return exitCode.failed;
  } finally {
    await client.close();
  }
}

export const searchCommand: Command = {
  name: 'search',
  usage: 'WORDS… --as USER [options]',
  summary: 'Finds messages by their words, as a user may read them',
  description: [
    'Prints a line for each message that has all the words, the newest first: when, the conversation, the position ' +
      '`generation-seq`, who, and what. What stands between quotes must be there as it is written; the last word may be ' +
      'the beginning of one. docs/search.md tells what equals what.',
    'The exit code is 0 when it was searched, 1 when that was refused or nothing answers, 2 when it was asked wrongly.',
  ],
  options: [
    { name: 'as', value: 'USER', help: 'Who searches: what they may read is searched.' },
    { name: 'conversation', value: 'ID', several: true, help: 'Only this conversation; may be given several times.' },
    { name: 'sender', value: 'USER', several: true, help: 'Only what they sent; may be given several times.' },
    { name: 'mentions', value: 'USER', help: 'Only what mentions them, or all.' },
    {
      name: 'field',
      value: 'NAME=VALUE',
      several: true,
      help: 'Only where this field of MILLRACE_SEARCH_FIELDS is so: order=17, paid=true, state=open, order=10..20; several must all be.',
    },
    { name: 'type', value: 'TYPE', help: `Only ${TYPES.join(', ')}.` },
    { name: 'since', value: 'TIME', help: 'Not before a date such as 2026-01-31, or a time ago: 24h, 7d.' },
    { name: 'until', value: 'TIME', help: 'Not behind it.' },
    { name: 'sort', value: 'ORDER', help: 'time or relevance. Default: time' },
    { name: 'limit', value: 'N', help: `How many, up to ${String(LIMIT_MAX)}. Default: 20` },
    { name: 'cursor', value: 'TEXT', help: 'Goes on behind a page, as that says.' },
    { name: 'count', help: 'Counts all hits, too.' },
    { name: 'whole-words', help: 'The last word is no beginning of one, either.' },
    { name: 'json', help: 'Prints the answer as JSON (docs/protocol.md, found).' },
    urlOption,
    ...tokenOptions,
  ],
  run,
};
