import { setTimeout as sleep } from 'node:timers/promises';
import { sequenceId, type ConversationId } from '@millrace/kernel';
import type { SearchHit, SearchIndex, SearchQuery } from '@millrace/search';
import { SqliteSearch } from '@millrace/search/sqlite';
import type { MillraceProcess } from './millrace-process.ts';
import { parseMetrics, sumOf } from './prometheus.ts';
import { testApiKey } from './test-tokens.ts';
import { until } from './until.ts';

const workerProgram = new URL('../../../../dist/search-worker.mjs', import.meta.url);

export async function metric({ httpUrl }: MillraceProcess, name: string): Promise<number> {
  const answer = await fetch(`${httpUrl}/metrics`, { headers: { authorization: `Bearer ${testApiKey}` } });
  return sumOf(parseMetrics(await answer.text()), name);
}

/** Nothing waits to be indexed by any of them, looked at several times: a follower that has not begun yet says nothing. */
export async function untilIndexed(...nodes: readonly MillraceProcess[]): Promise<void> {
  let times = 0;
  await until(
    'everything is indexed',
    async () => {
      const waiting = await Promise.all(
        nodes.map(
          async (node) =>
            (await metric(node, 'millrace_search_lag_seconds')) + (await metric(node, 'millrace_search_comparing')),
        ),
      );
      times = waiting.every((each) => each === 0) ? times + 1 : 0;
      await sleep(200);
      return times >= 5;
    },
    120_000,
  );
}

/** Everything that an index has of these conversations, whoever may see it. */
export async function allHits(
  index: SearchIndex,
  conversations: readonly ConversationId[],
  query: Partial<SearchQuery> = {},
): Promise<readonly SearchHit[]> {
  const visible = [{ from: sequenceId(1), to: sequenceId(Number.MAX_SAFE_INTEGER) }];
  const scope = conversations.map((conversation) => ({ conversation, visible }));
  const hits: SearchHit[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const more = cursor === undefined ? {} : { cursor };
    const page = await index.search({ scope, sort: 'time', limit: 100, ...query, ...more });
    if (!page.ok) throw new Error(JSON.stringify(page.error));
    hits.push(...page.value.hits);
    cursor = page.value.next;
  }
  return hits;
}

export const shownHit = ({ conversation, gen, seq, rev, sender, type }: SearchHit): string =>
  `${conversation} ${String(gen)}-${String(seq)} rev ${String(rev)} ${type} of ${sender}`;

export async function openedIndex(directory: string): Promise<SearchIndex> {
  const index = await SqliteSearch.open({ directory, program: workerProgram });
  if (!index.ok) throw new Error(index.error.message);
  return index.value;
}
