import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { ConversationId } from '@millrace/kernel';

/** What a corpus says that an entry is. */
export interface Said {
  readonly from: string;
  readonly text: string;
}

/** Of one conversation, by seq: the messages. At all other seqs are the server's own words. */
export type ExpectedMessages = ReadonlyMap<number, Said>;

/** A page that was asked for. `from` is inclusive. */
export interface AskedPage {
  readonly conversation: ConversationId;
  readonly direction: 'forward' | 'backward';
  readonly from: number;
  readonly limit: number;
}

/** As a client gets it. */
export interface SeenPage {
  readonly messages: readonly {
    readonly seq: number;
    readonly type: string;
    readonly from: string | null;
    readonly body: string | Uint8Array;
  }[];
  readonly hasMore: boolean;
  readonly head: { readonly seq: number };
}

/** What is wrong with a page: an entry is missing, twice, or not what the corpus says. */
export interface PageFault {
  readonly kind: 'gaps' | 'duplicated' | 'lost';
  readonly text: string;
}

export function textOf(file: string): string {
  const data = readFileSync(file);
  return (data[0] === 0x1f && data[1] === 0x8b ? gunzipSync(data) : data).toString('utf8');
}

/**
 * What each conversation must say, and where: what was acknowledged of which line of the corpus.
 *
 * @param ledger - the lines that `millrace replay` wrote.
 * @param corpus - the lines that it read.
 * @throws when a conversation does not say its lines in the order of the corpus.
 */
export function expectedOf(
  ledger: readonly string[],
  corpus: readonly string[],
): ReadonlyMap<ConversationId, ExpectedMessages> {
  const expected = new Map<ConversationId, Map<number, Said>>();
  const last = new Map<ConversationId, { readonly line: number; readonly seq: number }>();
  for (const text of ledger) {
    const record = text === '' ? {} : (JSON.parse(text) as Partial<Acknowledged>);
    const { line, conversation, from, seq } = record;
    if (line === undefined || conversation === undefined || from === undefined || seq === undefined) continue;
    const before = last.get(conversation);
    if (before !== undefined && (before.line >= line || before.seq >= seq)) {
      throw new Error(`${conversation} has line ${String(line)} of the corpus behind line ${String(before.line)}`);
    }
    last.set(conversation, { line, seq });
    const said = JSON.parse(corpus[line - 1] ?? '{}') as { readonly text?: string };
    const messages = expected.get(conversation) ?? new Map<number, Said>();
    messages.set(seq, { from, text: said.text ?? '' });
    expected.set(conversation, messages);
  }
  return expected;
}

interface Acknowledged {
  readonly line: number;
  readonly conversation: ConversationId;
  readonly from: string;
  readonly seq: number;
}

/** The first thing that is wrong with a page; null for nothing. */
export function pageFault(asked: AskedPage, page: SeenPage, expected: ExpectedMessages): PageFault | null {
  const { direction, from, limit, conversation } = asked;
  const head = page.head.seq;
  const isForward = direction === 'forward';
  const start = isForward ? from : Math.min(from, head);
  const step = isForward ? 1 : -1;
  const count = Math.max(0, Math.min(limit, isForward ? head - start + 1 : start));
  const where = (seq: number): string => `${conversation} ${String(seq)}, read ${direction} from ${String(from)}`;
  const seen = new Set<number>();
  for (const [index, { seq, type, from: author, body }] of page.messages.entries()) {
    if (seen.has(seq)) return { kind: 'duplicated', text: `${where(seq)}: twice` };
    seen.add(seq);
    const due = start + step * index;
    if (seq !== due) return { kind: 'gaps', text: `${where(due)}: ${String(seq)} stands there` };
    const said = expected.get(seq);
    const isRight =
      said === undefined ? type === 'control' : type === 'text' && author === said.from && body === said.text;
    if (!isRight) return { kind: 'lost', text: `${where(seq)}: it is not what the corpus says` };
  }
  if (page.messages.length !== count)
    return { kind: 'gaps', text: `${where(start)}: ${String(page.messages.length)} of ${String(count)} entries` };
  const end = start + step * (count - 1);
  const isMore = count > 0 && (isForward ? end < head : end > 1);
  if (page.hasMore === isMore) return null;
  return { kind: 'gaps', text: `${where(start)}: hasMore is ${String(page.hasMore)}` };
}
