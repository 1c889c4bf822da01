import { err, ok, parseConversationId, parseUserId, type Result } from '@millrace/kernel';
import { apiKeyOptions, findApiKey } from './api-key.ts';
import { askApi } from './ask-api.ts';
import { exitCode, wholeNumber, type Args, type Command, type Context } from './command.ts';
import { urlOf, urlOption } from './endpoints.ts';
import { isStoryAnswer } from './explain/story-answer.ts';
import { storyLines } from './explain/story-table.ts';

/** As docs/openapi.yaml has it. */
const LIMIT_MAX = 100;

/** The path of the story that is asked for, or what is wrong with the question. */
function pathOf(args: Args): Result<string, string> {
  const [conversation, seq, ...others] = args.words;
  if (conversation === undefined || seq === undefined || others.length > 0)
    return err('Say which message: millrace explain CONVERSATION SEQ.');
  const id = parseConversationId(conversation);
  if (!id.ok) return err(`CONVERSATION: ${id.error.message}.`);
  if (!/^[1-9]\d{0,15}$/.test(seq) || !Number.isSafeInteger(Number(seq)))
    return err(`SEQ must be a whole number from 1, the message's position in the conversation, got "${seq}".`);
  const gen = wholeNumber(args, 'gen', { from: 1, to: Number.MAX_SAFE_INTEGER });
  if (!gen.ok) return gen;
  const limit = wholeNumber(args, 'limit', { from: 1, to: LIMIT_MAX });
  if (!limit.ok) return limit;
  const user = args.text('user');
  const parsed = user === undefined ? null : parseUserId(user);
  if (parsed?.ok === false) return err(`--user: ${parsed.error.message}.`);
  if (user !== undefined && limit.value !== undefined) return err('--user tells of one; leave --limit out.');
  const query = new URLSearchParams();
  if (gen.value !== undefined) query.set('gen', String(gen.value));
  if (limit.value !== undefined) query.set('limit', String(limit.value));
  if (user !== undefined) query.set('user', user);
  const asked = query.size === 0 ? '' : `?${query.toString()}`;
  return ok(`/api/v1/conversations/${encodeURIComponent(conversation)}/messages/${seq}/story${asked}`);
}

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const path = pathOf(args);
  if (!path.ok) return misused(path.error);
  const url = urlOf(args, environment);
  if (!url.ok) return misused(url.error);
  const key = findApiKey(args, environment);
  if (!key.ok) return misused(key.error);
  const story = await askApi(
    { url: url.value, path: path.value, key: key.value, isAnswer: isStoryAnswer },
    terminal.interrupted,
  );
  if (!story.ok) {
    const { kind, message } = story.error;
    terminal.note(kind === 'refused' ? `It cannot be told: ${message}.` : message);
    return kind === 'key' || kind === 'stranger' ? exitCode.misused : exitCode.failed;
  }
  if (args.flag('json')) terminal.out(JSON.stringify(story.value, null, 2));
  else for (const line of storyLines(story.value)) terminal.out(line);
  return exitCode.done;
}

export const explainCommand: Command = {
  name: 'explain',
  usage: 'CONVERSATION SEQ [options]',
  summary: "Tells one message's story: who took it, where it was stored, which devices have it",
  description: [
    'Asks one node, which asks the others. A line for each step, with when it was, how long it took and on which node: ' +
      'accepted, routed, sequenced, committed, acked, diffused. Then the recipients: their place in the inbox, whether ' +
      'they said that it is delivered and read, and what each of their devices has.',
    'What is stored is told for ever. The rest is from the traces that nodes keep in memory, of their newest messages: a ' +
      'step that none of them knows (any more) says so, and why. docs/explain.md tells more.',
    'The exit code is 0 when it was told, 1 when there is no such message or nothing answers, 2 when it was asked wrongly.',
  ],
  options: [
    { name: 'user', value: 'NAME', help: 'Tells of this recipient alone.' },
    {
      name: 'limit',
      value: 'N',
      help: `Of how many recipients it is told one by one, up to ${String(LIMIT_MAX)}. Default: 20`,
    },
    {
      name: 'gen',
      value: 'N',
      help: 'The generation in which the message was seen, to be told when it was lost. Default: the one that is there',
    },
    { name: 'json', help: 'Prints the answer of the server as it is (docs/openapi.yaml, explainMessage).' },
    urlOption,
    ...apiKeyOptions,
  ],
  run,
};
