import { resolve } from 'node:path';
import { systemClock, systemTimers } from '@millrace/kernel';
import { apiKeyOptions, findApiKey } from './api-key.ts';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOf, urlOption } from './endpoints.ts';
import { Progress, duration, grouped } from './progress.ts';
import { summarizeCorpus } from './replay/read-corpus.ts';
import { importCorpus } from './transfer/corpus-import.ts';
import { importExport } from './transfer/import-run.ts';
import { Importer } from './transfer/importer.ts';

const FAULTS_SHOWN = 50;

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const told = (text: string, code: number): number => {
    terminal.note(text);
    return code;
  };
  const [name, ...more] = args.words;
  if (name === undefined || more.length > 0) return told('import needs the path of one FILE.', exitCode.misused);
  const url = urlOf(args, environment);
  if (!url.ok) return told(url.error, exitCode.misused);
  const key = findApiKey(args, environment);
  if (!key.ok) return told(key.error, exitCode.misused);
  const file = resolve(name);
  const summary = await summarizeCorpus(file);
  if (!summary.ok) return told(summary.error, exitCode.failed);

  const progress = new Progress(
    { terminal, clock: systemClock, timers: systemTimers },
    'imported lines',
    summary.value.lines,
  );
  const onLines = (count: number): void => {
    progress.add(count);
  };
  const importer = new Importer({
    api: { url: url.value, key: key.value, terminal },
    onLines,
    onFault: ({ number, message }) => {
      if (importer.faults <= FAULTS_SHOWN) terminal.note(`line ${String(number)}: ${message}`);
    },
  });
  const startedMs = systemClock.monotonicMs();
  const read = args.flag('corpus') ? importCorpus : importExport;
  const outcome = await read(file, importer, onLines, terminal.interrupted).finally(() => {
    progress.end();
  });
  const { done, entries, faults } = importer;
  if (faults > FAULTS_SHOWN) terminal.note(`and ${grouped(faults - FAULTS_SHOWN)} more lines`);
  const seconds = (systemClock.monotonicMs() - startedMs) / 1000;
  terminal.out(
    `imported ${grouped(done)} conversations; ${grouped(entries)} entries were read in ${duration(seconds)}`,
  );
  if (!outcome.ok) return told(outcome.error, exitCode.failed);
  if (faults === 0) return exitCode.done;
  const hint = args.flag('corpus')
    ? 'What else there is in their channels was imported.'
    : 'Of these conversations nobody sees anything yet: mend the lines, and give the same command again.';
  return told(`${grouped(faults)} lines are wrong. ${hint}`, exitCode.failed);
}

export const importCommand: Command = {
  name: 'import',
  usage: 'FILE [options]',
  summary: 'Puts the conversations of a file into the server',
  description: [
    'Reads what `millrace export` wrote, gzipped or plain (docs/import-export.md): every entry keeps its position, time and ' +
      'author. A conversation is there for everybody when all of it is, and not before; its members then find it in their ' +
      'lists, read as far as they had read it. Nobody is sent the messages.',
    'A line that is wrong is told with its number; its conversation is left as it is, the others are imported. An import that ' +
      'was interrupted goes on when the same command is given again: the server says what it has.',
    'The exit code is 0 when all of the file is in, 1 when not, 2 when it was asked wrongly.',
  ],
  options: [
    {
      name: 'corpus',
      help:
        'The file is a corpus, as `millrace replay` takes it: {"channel", "at", "from", "text"} a line. Each channel becomes a ' +
        'group of those who wrote in it.',
    },
    urlOption,
    ...apiKeyOptions,
  ],
  run,
};
