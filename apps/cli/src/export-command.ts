import { resolve } from 'node:path';
import { parseConversationId, systemClock, systemTimers } from '@millrace/kernel';
import { apiKeyOptions, findApiKey } from './api-key.ts';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOf, urlOption } from './endpoints.ts';
import { Progress, duration, grouped } from './progress.ts';
import { ExportFile, ExportOutput, type ExportSink } from './transfer/export-file.ts';
import { listAll, runExport } from './transfer/export-run.ts';

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const told = (text: string, code: number): number => {
    terminal.note(text);
    return code;
  };
  const [file, ...more] = args.words;
  if (file === undefined || more.length > 0)
    return told('export needs the name of one FILE, or - for the output.', exitCode.misused);
  const only = args.text('conversation');
  if (only !== undefined && !parseConversationId(only).ok)
    return told(`"${only}" is no id of a conversation.`, exitCode.misused);
  const url = urlOf(args, environment);
  if (!url.ok) return told(url.error, exitCode.misused);
  const key = findApiKey(args, environment);
  if (!key.ok) return told(key.error, exitCode.misused);

  const what = only === undefined ? 'deployment' : `conversation ${only}`;
  const opened =
    file === '-'
      ? { ok: true as const, value: new ExportOutput(what) as ExportSink }
      : await ExportFile.open(resolve(file), what, args.flag('replace'));
  if (!opened.ok) return told(opened.error, exitCode.failed);
  const sink: ExportSink = opened.value;
  const api = { url: url.value, key: key.value, terminal };
  const startedMs = systemClock.monotonicMs();
  try {
    const conversations = only === undefined ? await listAll(api) : { ok: true as const, value: [only] };
    if (!conversations.ok) return told(conversations.error, exitCode.failed);
    const { length: total } = conversations.value;
    if (sink.mark.bytes > 0)
      terminal.note(`Going on behind ${grouped(sink.mark.conversations)} conversations that are in the file.`);
    const unit = only === undefined ? 'exported conversations' : 'exported messages';
    const progress = new Progress(
      { terminal, clock: systemClock, timers: systemTimers },
      unit,
      only === undefined ? total : 0,
      sink.mark.conversations,
    );
    const outcome = await runExport({
      api,
      sink,
      conversations: conversations.value,
      onMessages: (count) => {
        if (only !== undefined) progress.add(count);
      },
      onConversation: () => {
        if (only === undefined) progress.add(1);
      },
    }).finally(() => {
      progress.end();
    });
    if (!outcome.ok) {
      const again = file === '-' ? '' : ' The same command goes on.';
      return told(`${outcome.error}${again}`, exitCode.failed);
    }
    const { conversations: whole, messages } = outcome.value;
    if (only !== undefined && whole === 0) return told(`There is no conversation ${only}.`, exitCode.failed);
    const seconds = (systemClock.monotonicMs() - startedMs) / 1000;
    const text = `exported ${grouped(whole)} conversations with ${grouped(messages)} entries in ${duration(seconds)}`;
    if (file === '-') terminal.note(text);
    else terminal.out(text);
    return exitCode.done;
  } finally {
    await sink.close();
  }
}

export const exportCommand: Command = {
  name: 'export',
  usage: 'FILE|- [options]',
  summary: 'Writes all conversations, or one, into a file',
  description: [
    'Writes JSON lines (docs/import-export.md): what each conversation is, its members and how far they have read, and every ' +
      'entry with its original position, time and author. A name that ends in .gz is compressed. Each conversation is as of ' +
      'one moment, also while people write.',
    'An export that was interrupted goes on when the same command is given again: FILE.progress tells how far it is. The ' +
      'same conversations give the same bytes.',
    'The exit code is 0 when the file is whole, 1 when not, 2 when it was asked wrongly.',
  ],
  options: [
    { name: 'conversation', value: 'ID', help: 'Only this one.' },
    { name: 'replace', help: 'Begins anew, over whatever is in the file.' },
    urlOption,
    ...apiKeyOptions,
  ],
  run,
};
