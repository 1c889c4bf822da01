import type { ConversationId } from '@millrace/kernel';
import type { FeedEntry } from '@millrace/partition';
import { decodeFeed } from '../diffuse/changefeed-entry.ts';
import type { Span } from './spans.ts';

export interface FeedPlan {
  /** What of which conversation is to be indexed. */
  readonly spans: ReadonlyMap<ConversationId, readonly Span[]>;
  /** Everything up to this commit is planned. */
  readonly to: number;
  /** Whether that is all that is acknowledged. */
  readonly isAll: boolean;
}

export interface FeedPlanLimits {
  /** Commits that were asked for: so many that fewer are the last ones. */
  readonly commits: number;
  /** Entries of Timelines after which no further commit is taken in. */
  readonly entriesMax: number;
}

/**
 * What a page of a changefeed says is to be indexed, up to what is acknowledged (I1).
 *
 * @throws MalformedBytes when a program of another version wrote it.
 */
export function planFeed(page: readonly FeedEntry[], acknowledged: number, limits: FeedPlanLimits): FeedPlan {
  const spans = new Map<ConversationId, Span[]>();
  let entries = 0;
  let to = 0;
  for (const { commitNo, data } of page) {
    if (commitNo > acknowledged) return { spans, to: acknowledged, isAll: true };
    if (entries >= limits.entriesMax) return { spans, to, isAll: false };
    for (const change of decodeFeed(data)) {
      // Whatever brought entries into a Timeline; what became of positions is not searched for.
      if (!('from' in change)) continue;
      const { conversation, gen, from, to: last } = change;
      const known = spans.get(conversation) ?? [];
      const before = known.at(-1);
      if (before?.gen === gen && before.last + 1 === from) known[known.length - 1] = { ...before, last };
      else known.push({ gen, first: from, last });
      spans.set(conversation, known);
      entries += last - from + 1;
    }
    to = commitNo;
  }
  const isAll = page.length < limits.commits;
  return { spans, to: isAll ? acknowledged : to, isAll };
}
