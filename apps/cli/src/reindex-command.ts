import { apiKeyOptions, findApiKey } from './api-key.ts';
import { askApi, type ApiFault } from './ask-api.ts';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOf, urlOption } from './endpoints.ts';
import { waitOrAbort } from './wait.ts';

const LOOK_MS = 1_000;
/** So many looks in a row without an answer are the end of it: the rebuild goes on without us. */
const AWAY_MAX = 30;

/** Of `GET /api/v1/search/rebuild` (docs/openapi.yaml). */
interface RebuildAnswer {
  readonly rebuilding: boolean;
  readonly partitions: number;
  readonly done: number;
}

function isRebuildAnswer(value: unknown): value is RebuildAnswer {
  const { rebuilding, partitions, done } = (value ?? {}) as { readonly [Name in keyof RebuildAnswer]?: unknown };
  return typeof rebuilding === 'boolean' && typeof partitions === 'number' && typeof done === 'number';
}

const shown = ({ rebuilding, partitions, done }: RebuildAnswer): string =>
  rebuilding
    ? `the search index is made anew: ${String(done)} of ${String(partitions)} partitions`
    : 'the search index is whole: none is being made';

const isFinal = ({ kind, status }: ApiFault): boolean => kind === 'key' || kind === 'stranger' || status === 404;

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  if (args.words.length > 0) return misused('reindex takes options only.');
  if (args.flag('status') && args.flag('abandon')) return misused('Give --status or --abandon, not both.');
  const url = urlOf(args, environment);
  if (!url.ok) return misused(url.error);
  const key = findApiKey(args, environment);
  if (!key.ok) return misused(key.error);
  const { interrupted } = terminal;
  const ask = (body?: object) =>
    askApi(
      {
        url: url.value,
        path: '/api/v1/search/rebuild',
        key: key.value,
        isAnswer: isRebuildAnswer,
        ...(body && { body }),
      },
      interrupted,
    );
  const begun = await ask(args.flag('status') ? undefined : { abandon: args.flag('abandon') });
  if (!begun.ok) {
    terminal.note(begun.error.message);
    return isFinal(begun.error) ? exitCode.misused : exitCode.failed;
  }
  terminal.out(shown(begun.value));
  if (args.flag('status') || args.flag('abandon')) return exitCode.done;
  let last = begun.value;
  for (let away = 0; last.rebuilding;) {
    await waitOrAbort(LOOK_MS, interrupted);
    const look = await ask();
    if (interrupted.aborted) return exitCode.failed;
    if (!look.ok) {
      away += 1;
      if (away < AWAY_MAX && !isFinal(look.error)) continue;
      terminal.note(look.error.message);
      return exitCode.failed;
    }
    away = 0;
    if (look.value.done !== last.done || !look.value.rebuilding) terminal.out(shown(look.value));
    last = look.value;
  }
  return exitCode.done;
}

export const reindexCommand: Command = {
  name: 'reindex',
  usage: '[options]',
  summary: 'Makes the search index anew from the conversations',
  description: [
    'A new index is made beside the present one, which is searched meanwhile, and takes its place when all of it is there. ' +
      'It is needed after a change of MILLRACE_SEARCH_FIELDS, and whenever the index is doubted. One that is under way goes on.',
    'Interrupted, it goes on without us: --status tells how far it is, --abandon gives it up. The exit code is 0 when the ' +
      'index is whole, 1 when not, 2 when it was asked wrongly.',
  ],
  options: [
    { name: 'status', help: 'Tells how far it is, and begins nothing.' },
    { name: 'abandon', help: 'Gives up the one that is under way.' },
    urlOption,
    ...apiKeyOptions,
  ],
  run,
};
