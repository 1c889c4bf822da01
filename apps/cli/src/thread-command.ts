import { parseConversationId, parseSequenceId, type SequenceId } from '@millrace/kernel';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOption } from './endpoints.ts';
import { openClient, reasonOf } from './open-client.ts';
import { messageLine } from './tail-command.ts';
import { tokenOptions } from './token-source.ts';

async function run(args: Args, context: Context): Promise<number> {
  const { terminal } = context;
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const [named, at, ...more] = args.words;
  const conversation = parseConversationId(named);
  if (!conversation.ok) return misused(conversation.error.message);
  const first = parseSequenceId(Number(at));
  if (!first.ok || first.value === 0 || more.length > 0)
    return misused('thread takes a CONVERSATION and the SEQ of the first message of a thread there.');
  const opened = await openClient(args, context);
  if (!opened.ok) return misused(opened.error);
  const { client } = opened.value;
  try {
    await client.connect();
    for (let from: SequenceId = first.value; ;) {
      const page = await client.thread(conversation.value, first.value, { direction: 'forward', from });
      for (const message of page.messages) terminal.out(messageLine(conversation.value, message));
      const last = page.messages.at(-1);
      if (!page.hasMore || last === undefined) return exitCode.done;
      from = (last.seq + 1) as SequenceId;
    }
  } catch (error) {
    terminal.note(`Cannot read the thread: ${reasonOf(error)}`);
    return exitCode.failed;
  } finally {
    await client.close();
  }
}

export const threadCommand: Command = {
  name: 'thread',
  usage: '--as USER CONVERSATION SEQ',
  summary: 'Prints what has come in the thread of a message',
  description: [
    'Prints a line for each message that answers the one at SEQ, or one of its answers, in order, as `tail` does. The ' +
      'message itself is not among them.',
  ],
  options: [{ name: 'as', value: 'USER', help: 'Who reads: a member.' }, urlOption, ...tokenOptions],
  run,
};
