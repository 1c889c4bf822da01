import { parseConversationId, type ConversationId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOption } from './endpoints.ts';
import { openClient, reasonOf } from './open-client.ts';
import { openLarge } from './open-large.ts';
import { tokenOptions } from './token-source.ts';

// Control characters could make a terminal do what the sender of a message wants.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** A text that cannot control a terminal. */
export const visible = (text: string): string =>
  text.replace(CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** One line for one message: where, at which position, who, what. */
export function messageLine(conversation: ConversationId, message: Message): string {
  const { gen, seq, from, type, body, replyTo } = message;
  const text = typeof body === 'string' ? visible(body) : `${String(body.length)} bytes`;
  const said = type === 'text' ? text : `(${type}) ${text}`;
  const answers = replyTo === undefined ? '' : ` (to ${String(replyTo)})`;
  return `${conversation} ${String(gen)}-${String(seq)} ${from ?? '-'}${answers}: ${said}`;
}

async function run(args: Args, context: Context): Promise<number> {
  const { terminal } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  if (args.words.length > 0) return misused('tail takes options only.');
  const named = args.text('conversation');
  const only = named === undefined ? null : parseConversationId(named);
  if (only !== null && !only.ok) return misused(only.error.message);
  const opened = await openClient(args, context);
  if (!opened.ok) return misused(opened.error);
  const { client, user } = opened.value;
  const isShown = (conversation: ConversationId): boolean => only === null || only.value === conversation;
  client.on('message', ({ conversation, message }) => {
    if (isShown(conversation)) terminal.out(messageLine(conversation, message));
  });
  openLarge(client, isShown, (conversation, why) => {
    terminal.note(`${conversation}: what comes is not shown, for it has many members and cannot be opened: ${why}`);
  });
  client.on('state', (state, reason) => {
    if (state === 'offline') terminal.note(`connection lost (${reason}); trying again`);
  });
  client.on('regressed', ({ conversation, gen, from }) => {
    terminal.note(`${conversation}: what came after ${String(gen)}-${String(from)} was lost by the server`);
  });
  client.on('gap', ({ conversation, after, to }) => {
    terminal.note(`${conversation}: ${String(after + 1)} to ${String(to)} are not shown, they are in the history`);
  });
  const closed = new Promise<string>((resolve) => {
    client.on('state', (state, reason) => {
      if (state === 'closed') resolve(reason);
    });
  });
  terminal.interrupted.addEventListener('abort', () => void client.close());
  try {
    await client.connect();
    terminal.note(`${user} is connected; stop with Ctrl-C`);
    const reason = await closed;
    if (terminal.interrupted.aborted) return exitCode.done;
    terminal.note(`The server does not want this client back: ${reason}`);
  } catch (error) {
    if (terminal.interrupted.aborted) return exitCode.done;
    terminal.note(`Cannot connect: ${reasonOf(error)}`);
  }
  return exitCode.failed;
}

export const tailCommand: Command = {
  name: 'tail',
  usage: '--as USER [--conversation ID]',
  summary: 'Prints what arrives for a user, as it arrives',
  description: [
    'Connects as a new device of the user and prints a line for each message from then on: the conversation, the position ' +
      '`generation-seq`, who, and what. Reconnects by itself, and fetches what came meanwhile.',
  ],
  options: [
    { name: 'as', value: 'USER', help: 'Whose messages.' },
    { name: 'conversation', value: 'ID', help: 'Only this conversation.' },
    urlOption,
    ...tokenOptions,
  ],
  run,
};
