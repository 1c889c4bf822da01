import type { LatencySummary } from '../measure/latency.ts';
import { fine, latencyText, times, whole } from './figures.ts';

/** A corpus that was archived while it was sent, and how it is read back. */
export interface HistoryFigures {
  readonly messages: number;
  readonly conversations: number;
  readonly replayedPerSecond: number;
  /** Of one conversation at a time, while the corpus was sent. */
  readonly hotEntriesMost: number;
  /** In the end, in Redis and in the archive. */
  readonly hotEntries: number;
  readonly archivedEntries: number;
  /** `used_memory`, and what MEMORY USAGE says of the Timelines alone. */
  readonly redisUsedBytes: number;
  readonly hotBytesPerMessage: number | null;
  /** On disk, all that SQLite needs for it. */
  readonly archivedBytesPerMessage: number | null;
  /** Pages of any size from anywhere, in both directions. */
  readonly pagesRead: number;
  readonly entriesRead: number;
  /** A page of 50 from the archive, as a client waits for it. */
  readonly pageMs: LatencySummary | null;
  /** The same of the archive itself, behind its port. */
  readonly archiveMs: LatencySummary | null;
  /** The same when the archive keeps nothing of it in memory: each page is another thread's work. */
  readonly uncachedMs: LatencySummary | null;
  /** The library's own range read, made in a thread of its own as the archive's is, in the same turns. */
  readonly inThreadMs: LatencySummary | null;
}

export interface HistoryRatio {
  readonly pageP50: number | null;
  readonly pageP99: number | null;
  readonly archiveP50: number | null;
  readonly archiveP99: number | null;
  readonly uncachedP50: number | null;
  readonly uncachedP99: number | null;
  /** To the library's own range read in a thread, as what is uncached is. */
  readonly uncachedInThreadP50: number | null;
  readonly uncachedInThreadP99: number | null;
}

/** To the library's own range read. */
export const historyRatio = (
  {
    pageMs,
    archiveMs,
    uncachedMs,
    inThreadMs,
  }: Pick<HistoryFigures, 'pageMs' | 'archiveMs' | 'uncachedMs' | 'inThreadMs'>,
  floorMs: LatencySummary | null,
): HistoryRatio => ({
  pageP50: times(pageMs?.p50, floorMs?.p50),
  pageP99: times(pageMs?.p99, floorMs?.p99),
  archiveP50: times(archiveMs?.p50, floorMs?.p50),
  archiveP99: times(archiveMs?.p99, floorMs?.p99),
  uncachedP50: times(uncachedMs?.p50, floorMs?.p50),
  uncachedP99: times(uncachedMs?.p99, floorMs?.p99),
  uncachedInThreadP50: times(uncachedMs?.p50, inThreadMs?.p50),
  uncachedInThreadP99: times(uncachedMs?.p99, inThreadMs?.p99),
});

/** For people. */
export function historyLines(
  figures: HistoryFigures,
  floorMs: LatencySummary | null,
  ratio: HistoryRatio,
): readonly string[] {
  return [
    `${whole(figures.messages)} messages in ${whole(figures.conversations)} conversations, sent ${whole(figures.replayedPerSecond)}/s ` +
      `while they were archived; at most ${whole(figures.hotEntriesMost)} entries of one in Redis at a time`,
    `in the end ${whole(figures.hotEntries)} entries in Redis, ${whole(figures.archivedEntries)} in the archive`,
    `bytes a message: hot ${fine(figures.hotBytesPerMessage, 1)}, archived ${fine(figures.archivedBytesPerMessage, 1)} on disk; ` +
      `used_memory of Redis ${whole(figures.redisUsedBytes)}`,
    `${whole(figures.pagesRead)} pages from anywhere in both directions, ${whole(figures.entriesRead)} entries with those of all from end to end`,
    `a page of 50 from the archive, as a client gets it: ${latencyText(figures.pageMs)}; by the archive's port: ${latencyText(figures.archiveMs)}`,
    `the library's own range read: ${latencyText(floorMs)}; to it, p50 and p99: client ${fine(ratio.pageP50, 2)}, ${fine(ratio.pageP99, 2)}; ` +
      `port ${fine(ratio.archiveP50, 2)}, ${fine(ratio.archiveP99, 2)}`,
    `by the archive's port with nothing of it in memory: ${latencyText(figures.uncachedMs)}; to the library's read ` +
      `${fine(ratio.uncachedP50, 2)}, ${fine(ratio.uncachedP99, 2)}`,
    `the library's in a thread of its own, so that its caller can go on: ${latencyText(figures.inThreadMs)}; ` +
      `the port with nothing in memory to it ${fine(ratio.uncachedInThreadP50, 2)}, ${fine(ratio.uncachedInThreadP99, 2)}`,
  ];
}
