import {
  err,
  ok,
  parseConversationId,
  parseSequenceId,
  parseUserId,
  type ConversationId,
  type Result,
  type SequenceId,
} from '@millrace/kernel';
import type { MillraceClient } from '@millrace/client';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOption } from './endpoints.ts';
import { openClient, reasonOf } from './open-client.ts';
import { tokenOptions } from './token-source.ts';

type Target = (client: MillraceClient) => Promise<ConversationId>;

function targetOf(args: Args): Result<Target, string> {
  const to = args.text('to');
  const named = args.text('conversation');
  if ((to === undefined) === (named === undefined)) return err('Say where to: either --to USER or --conversation ID.');
  if (to !== undefined) {
    const peer = parseUserId(to);
    if (!peer.ok) return err(peer.error.message);
    return ok(async (client) => (await client.createDirect(peer.value)).conversation);
  }
  const conversation = parseConversationId(named);
  if (!conversation.ok) return err(conversation.error.message);
  return ok(() => Promise.resolve(conversation.value));
}

/** Which message it answers, if any; or what is wrong. */
function replyOf(args: Args): Result<{ readonly replyTo?: SequenceId }, string> {
  const named = args.text('reply-to');
  if (named === undefined) return ok({});
  const seq = parseSequenceId(Number(named));
  return seq.ok && seq.value > 0 ? ok({ replyTo: seq.value }) : err('--reply-to takes the seq of a message: 3, say.');
}

async function run(args: Args, context: Context): Promise<number> {
  const { terminal } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const text = args.words.join(' ');
  if (text === '') return misused('send needs a TEXT.');
  const target = targetOf(args);
  if (!target.ok) return misused(target.error);
  const reply = replyOf(args);
  if (!reply.ok) return misused(reply.error);
  const opened = await openClient(args, context);
  if (!opened.ok) return misused(opened.error);
  const { client } = opened.value;
  const onInterrupt = (): void => void client.close();
  terminal.interrupted.addEventListener('abort', onInterrupt);
  try {
    await client.connect();
    const conversation = await target.value(client);
    const { gen, seq, level } = await client.send(conversation, text, reply.value);
    terminal.out(`${conversation} ${String(gen)}-${String(seq)} stored (${level})`);
    return exitCode.done;
  } catch (error) {
    terminal.note(`Not sent: ${reasonOf(error)}`);
    return exitCode.failed;
  } finally {
    terminal.interrupted.removeEventListener('abort', onInterrupt);
    await client.close();
  }
}

export const sendCommand: Command = {
  name: 'send',
  usage: '--as USER (--to USER | --conversation ID) [--reply-to SEQ] TEXT...',
  summary: 'Sends one message and prints where it was stored',
  description: [
    'Sends TEXT as a user of the development server. With --to, the direct conversation of the two users is created when ' +
      'there is none. Prints the conversation and the position of the message, `generation-seq`, once it is stored.',
  ],
  options: [
    { name: 'as', value: 'USER', help: 'Who sends.' },
    { name: 'to', value: 'USER', help: 'The other one of a direct conversation.' },
    { name: 'conversation', value: 'ID', help: 'A conversation that the sender is a member of.' },
    { name: 'reply-to', value: 'SEQ', help: 'The message there that it answers.' },
    urlOption,
    ...tokenOptions,
  ],
  run,
};
