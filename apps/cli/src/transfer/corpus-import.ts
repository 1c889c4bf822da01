import { err, ok, type Result } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import type { CorpusLine } from '../replay/corpus-line.ts';
import { nameToId } from '../replay/name-to-id.ts';
import { readCorpus } from '../replay/read-corpus.ts';
import type { Line } from './file-lines.ts';
import type { Importer } from './importer.ts';

/** What a first reading tells of a channel. */
interface Channel {
  readonly conversation: string;
  /** In the order of their first messages. */
  readonly authors: Set<string>;
  messages: number;
  readonly firstAtMs: number;
  /** Messages that were handed on. */
  sent: number;
}

const idOf = (name: string): string => nameToId(name) ?? '';
const JOINED_MAX = protocolLimits.membersPerFrame;

/** Control entries that come before the messages: as if the first author had created the group and invited the others. */
function controls({ authors, firstAtMs }: Channel, title: string): readonly Line[] {
  const users = [...authors];
  const [creator = ''] = users;
  const chunks = Array.from({ length: Math.ceil(users.length / JOINED_MAX) }, (_, index) =>
    users.slice(index * JOINED_MAX, (index + 1) * JOINED_MAX),
  );
  return chunks.map((some, index) => {
    const body =
      index === 0 ? { control: 'created', kind: 'group', title, members: some } : { control: 'joined', users: some };
    return { seq: index + 1, at: firstAtMs, type: 'control', from: creator, body: JSON.stringify(body) };
  });
}

const titleOf = (name: string): string => Array.from(name).slice(0, protocolLimits.titleChars).join('');

/** Hands on everything of a channel but its messages. */
async function begin(
  importer: Importer,
  channel: Channel,
  name: string,
  number: number,
): Promise<Result<null, string>> {
  const { conversation, authors, firstAtMs, messages } = channel;
  const [creator = ''] = authors;
  const title = titleOf(name);
  const first = controls(channel, title);
  const last = first.length + messages;
  const about = {
    kind: 'group',
    title,
    joinPolicy: 'open',
    historyPolicy: 'all',
    createdBy: creator,
    createdAt: firstAtMs,
  };
  importer.begin(conversation, { conversation, about, first: 1, last }, number);
  for (const [index, member] of [...authors].entries()) {
    const joined = Math.floor(index / JOINED_MAX) + 1;
    // It is history: nobody has to read it now.
    const positions = { readSeq: last, deliveredSeq: last };
    const role = member === creator ? 'owner' : 'member';
    const added = await importer.add(
      conversation,
      { member, role, stays: [[joined, 1, null]], ...positions },
      number,
      false,
    );
    if (!added.ok) return added;
  }
  for (const line of first) {
    const added = await importer.add(conversation, line, number, false);
    if (!added.ok) return added;
  }
  return ok(null);
}

/**
 * Imports a corpus: each channel becomes a group of all who wrote in it, with the times and the order of the file. A line
 * that is no message is left out and told; the others of its channel are imported.
 */
export async function importCorpus(
  path: string,
  importer: Importer,
  onLines: (count: number) => void,
  interrupted: AbortSignal,
): Promise<Result<null, string>> {
  const channels = new Map<string, Channel>();
  try {
    for await (const line of readCorpus(path, protocolLimits.bodyBytes)) {
      if (!line.ok) continue;
      const { channel, from, atMs } = line.value;
      const known = channels.get(channel) ?? {
        ...{ conversation: idOf(channel), authors: new Set(), messages: 0, firstAtMs: atMs, sent: 0 },
      };
      channels.set(channel, known);
      known.authors.add(idOf(from));
      known.messages += 1;
    }
    for await (const line of readCorpus(path, protocolLimits.bodyBytes)) {
      onLines(line.ok ? 0 : 1);
      const added = line.ok ? await take(importer, channels, line.value) : ok(null);
      if (!line.ok) importer.fault(line.error.line, line.error.reason);
      if (!added.ok) return added;
      if (interrupted.aborted) return err('It was interrupted; the same command goes on.');
    }
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
  return importer.flush();
}

async function take(
  importer: Importer,
  channels: ReadonlyMap<string, Channel>,
  line: CorpusLine,
): Promise<Result<null, string>> {
  const channel = channels.get(line.channel);
  if (channel === undefined) return err('the file has changed since it was read first');
  const { conversation } = channel;
  if (channel.sent === 0) {
    const begun = await begin(importer, channel, line.channel, line.line);
    if (!begun.ok) return begun;
  }
  channel.sent += 1;
  const seq = Math.ceil(channel.authors.size / JOINED_MAX) + channel.sent;
  const message = { seq, at: line.atMs, from: idOf(line.from), body: line.text };
  const added = await importer.add(conversation, message, line.line, false);
  if (!added.ok || channel.sent < channel.messages) return added;
  return importer.add(conversation, { end: conversation, last: seq }, line.line, true);
}
