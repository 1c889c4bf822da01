import { defaultIndexerLimits, Indexer, noFieldRules, type ChatNodeParts } from '@millrace/messaging';
import { modelSearch } from './model-search.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** Names on one page, so that there are several. */
const NAMES_PER_PAGE = 2;

/** The search index of a node, which all nodes see, and what feeds it; none where the world has none. */
export function indexOf(
  world: World,
  process: SimulatedProcess,
  log: ChatNodeParts['log'],
): Pick<ChatNodeParts, 'search' | 'indexer'> {
  if (!world.options.isSearched) return { search: null };
  const index = process.reachSearch(modelSearch(world.search.disk, world.time.timers, () => world.search.fate()));
  const names = process.reachNames({
    page: (cursor) => {
      const all = world.store.state.conversations();
      const to = Number(cursor ?? 0) + NAMES_PER_PAGE;
      const conversations = all.slice(to - NAMES_PER_PAGE, to);
      return Promise.resolve({ conversations, next: to < all.length ? String(to) : null });
    },
  });
  const indexer = new Indexer({
    ...{ index, names, log, rules: noFieldRules, identity: 'shared', clock: world.time.clock, timers: process.timers },
    limits: {
      ...defaultIndexerLimits,
      ...{
        feedCommits: 4,
        entriesPerRead: 3,
        entriesPerBatch: 4,
        readsAtOnce: 2,
        gatherMs: 5,
        idleMs: 500,
        verifyMs: 2_000,
      },
      ...{
        partitionsAtOnce: 2,
        partitionsPerPass: 2,
        namesPauseMs: 1,
        lookMs: 700,
        asideMs: Infinity,
        alarmMs: Infinity,
      },
      retry: { msMin: 20, msMax: 500 },
    },
  });
  return { search: index, indexer };
}
