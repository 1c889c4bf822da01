import { err, ok, type Result } from '@millrace/kernel';
import type { ApiFault } from '../ask-api.ts';
import type { ExportSink } from './export-file.ts';
import { footerLine, headerLine, type Line } from './file-lines.ts';
import { isEntry, linkBehindAll, NO_ENTRIES } from './line-chain.ts';
import { askSteadily, type Api } from './steady-api.ts';

interface Names {
  readonly conversations: readonly string[];
  readonly next: string | null;
}

interface Page {
  readonly lines: readonly Line[];
  readonly next: string | null;
}

const isNames = (value: unknown): value is Names => Array.isArray((value as Partial<Names> | null)?.conversations);
const isPage = (value: unknown): value is Page => Array.isArray((value as Partial<Page> | null)?.lines);

/** Conversations that are asked for at a time. */
const AHEAD = 8;

/** Times that a conversation is begun again because somebody came or went. Messages are no reason to. */
const BEGUN_MAX = 50;

const query = (cursor: string | null): string => (cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`);

/** The ids of all conversations, in order: some hundred bytes each are held for it. */
export async function listAll(api: Api): Promise<Result<readonly string[], string>> {
  for (;;) {
    const all = new Set<string>();
    let cursor: string | null = null;
    let isOver = false;
    do {
      const page: Result<Names, ApiFault> = await askSteadily(api, {
        path: `/api/v1/export${query(cursor)}`,
        isAnswer: isNames,
      });
      // The store is not the one any more that gave the cursor.
      isOver = !page.ok && page.error.status === 409;
      if (!page.ok && !isOver) return err(page.error.message);
      if (page.ok) {
        for (const conversation of page.value.conversations) all.add(conversation);
        cursor = page.value.next;
      }
    } while (!isOver && cursor !== null);
    if (!isOver) return ok([...all].sort());
  }
}

export interface ExportRun {
  readonly api: Api;
  readonly sink: ExportSink;
  readonly conversations: readonly string[];
  readonly onMessages: (count: number) => void;
  readonly onConversation: () => void;
}

type Counts = { conversations: number; messages: number; last: string | null };

/** Writes all of them, from where the sink stands. */
export async function runExport({
  api,
  sink,
  conversations,
  onMessages,
  onConversation,
}: ExportRun): Promise<Result<Counts, string>> {
  const { mark } = sink;
  const counts: Counts = { conversations: mark.conversations, messages: mark.messages, last: mark.last };
  const stands = (conversation: string | null, cursor: string | null, chain = NO_ENTRIES) => ({
    ...{ ...counts, conversation, cursor, chain },
  });
  if (mark.bytes === 0) await sink.write([headerLine], stands(null, null));
  const left = conversations.filter((conversation) => mark.last === null || conversation > mark.last);
  // Some are asked for while those before them are written.
  const ahead: Promise<Result<Page, ApiFault>>[] = [];
  for (const [index, conversation] of left.entries()) {
    for (
      let next = left[index + ahead.length];
      next !== undefined && ahead.length < AHEAD;
      next = left[index + ahead.length]
    )
      ahead.push(
        next === mark.conversation && mark.cursor !== null ? pageOf(api, next, mark.cursor) : stateOf(api, next),
      );
    let page = (await ahead.shift()) ?? (await stateOf(api, conversation));
    let cursor: string | null;
    let chain = conversation === mark.conversation && mark.cursor !== null ? mark.chain : NO_ENTRIES;
    // It may be gone, or be one that is being imported.
    if (!page.ok && page.error.status === 404) continue;
    for (;;) {
      if (!page.ok) return err(`${conversation} cannot be exported: ${page.error.message}`);
      const { lines, next } = page.value;
      const entries = lines.filter(isEntry).length;
      counts.messages += entries;
      onMessages(entries);
      cursor = next;
      if (next === null) {
        counts.conversations += 1;
        counts.last = conversation;
      }
      chain = linkBehindAll(chain, lines);
      const written = lines.map((line) => ('end' in line ? { ...line, chain } : line));
      await sink.write(written, next === null ? stands(null, cursor) : stands(conversation, cursor, chain));
      if (next === null) break;
      page = await pageOf(api, conversation, next);
    }
    onConversation();
  }
  await sink.write([footerLine(counts.conversations)], stands(null, null));
  await sink.end();
  return ok(counts);
}

const pageOf = (api: Api, conversation: string, cursor: string | null): Promise<Result<Page, ApiFault>> =>
  askSteadily(api, { path: `/api/v1/export/${encodeURIComponent(conversation)}${query(cursor)}`, isAnswer: isPage });

/** All pages of a conversation, up to the first one that is refused. */
export async function* pagesOf(api: Api, conversation: string): AsyncGenerator<Result<Page, ApiFault>> {
  let page = await stateOf(api, conversation);
  for (;;) {
    yield page;
    if (!page.ok || page.value.next === null) return;
    page = await pageOf(api, conversation, page.value.next);
  }
}

/** Everything before the entries, as of one head. */
async function stateOf(api: Api, conversation: string): Promise<Result<Page, ApiFault>> {
  for (let begun = 1; ; begun += 1) {
    const lines: Line[] = [];
    let page = await pageOf(api, conversation, null);
    while (page.ok && page.value.next !== null && !page.value.lines.some(isEntry)) {
      lines.push(...page.value.lines);
      page = await pageOf(api, conversation, page.value.next);
    }
    if (page.ok) return ok({ lines: [...lines, ...page.value.lines], next: page.value.next });
    if (page.error.status !== 409 || begun === BEGUN_MAX) return page;
  }
}
