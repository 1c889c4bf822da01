import type { Result } from '@millrace/kernel';
import { apiKeyOptions, findApiKey } from './api-key.ts';
import { askApi, type ApiFault } from './ask-api.ts';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOf, urlOption } from './endpoints.ts';
import { waitOrAbort } from './wait.ts';

const LOOK_MS = 500;

interface LeftOver {
  readonly conversation: string | null;
  readonly why: string;
}

interface Report {
  readonly state: 'running' | 'done' | 'interrupted';
  readonly looked: number;
  readonly conversations: number;
  readonly entries: number;
  readonly reactions: number;
  readonly left: readonly LeftOver[];
}

const isReport = (value: unknown): value is Report =>
  typeof value === 'object' && value !== null && 'state' in value && 'left' in value;
const isErased = (value: unknown): value is { readonly left: readonly LeftOver[] } =>
  typeof value === 'object' && value !== null && 'left' in value;

const leftLines = (left: readonly LeftOver[]): readonly string[] =>
  left.map(({ conversation, why }) => `left: ${conversation === null ? '' : `${conversation}: `}${why}`);

function reportLines({ looked, conversations, entries, reactions, left }: Report): readonly string[] {
  return [
    `${String(conversations)} of ${String(looked)} conversations had something of the user: ` +
      `${String(entries)} entries of the archive were written over, reactions to ${String(reactions)} messages taken away.`,
    ...leftLines(left),
  ];
}

async function eraseUser(where: { url: string; key: string }, user: string, { terminal }: Context): Promise<number> {
  const path = `/api/v1/users/${encodeURIComponent(user)}`;
  const { interrupted } = terminal;
  const refused = ({ message }: ApiFault): number => {
    terminal.note(message);
    return exitCode.failed;
  };
  const begun = await askApi({ ...where, path: `${path}/data`, method: 'DELETE', isAnswer: isReport }, interrupted);
  if (!begun.ok) return refused(begun.error);
  for (let report: Result<Report, ApiFault> = begun; ;) {
    if (!report.ok) return refused(report.error);
    if (report.value.state === 'interrupted') {
      terminal.note('It was interrupted: ask for it again, and it goes on.');
      return exitCode.failed;
    }
    if (report.value.state === 'done') {
      for (const line of reportLines(report.value)) terminal.out(line);
      return exitCode.done;
    }
    await waitOrAbort(LOOK_MS, interrupted);
    if (interrupted.aborted) {
      terminal.note('It goes on behind this.');
      return exitCode.failed;
    }
    report = await askApi({ ...where, path: `${path}/erasure`, isAnswer: isReport }, interrupted);
  }
}

async function run(args: Args, context: Context): Promise<number> {
  const { terminal, environment } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const [what, id, ...more] = args.words;
  if ((what !== 'user' && what !== 'conversation') || id === undefined || more.length > 0) {
    return misused('Say what to erase: erase user USER, or erase conversation ID.');
  }
  if (!args.flag('yes')) return misused(`This cannot be undone. To erase the ${what} ${id} for good, add --yes.`);
  const url = urlOf(args, environment);
  if (!url.ok) return misused(url.error);
  const key = findApiKey(args, environment);
  if (!key.ok) return misused(key.error);
  const where = { url: url.value, key: key.value };
  if (what === 'user') return eraseUser(where, id, context);
  const path = `/api/v1/conversations/${encodeURIComponent(id)}/data`;
  const done = await askApi({ ...where, path, method: 'DELETE', isAnswer: isErased }, terminal.interrupted);
  if (!done.ok) {
    terminal.note(done.error.message);
    return exitCode.failed;
  }
  for (const line of [`The conversation ${id} is erased.`, ...leftLines(done.value.left)]) terminal.out(line);
  return exitCode.done;
}

export const eraseCommand: Command = {
  name: 'erase',
  usage: 'user USER | conversation ID [options]',
  summary: 'Erases for good what a user has sent, or a whole conversation',
  description: [
    'Of a user: all messages, edits and reactions in all conversations, their read positions, list and inbox. Messages keep ' +
      'their places, without what they said. It waits until it is done and tells what is left and why; asked again, it goes on.',
    'Of a conversation: everything, for all its members.',
    'docs/archive.md says what is not reached. The exit code is 0 when it is done, 1 when not, 2 when it was asked wrongly.',
  ],
  options: [{ name: 'yes', help: 'Without it nothing is erased: it cannot be undone.' }, urlOption, ...apiKeyOptions],
  run,
};
