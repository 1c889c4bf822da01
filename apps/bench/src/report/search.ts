import type { LatencySummary } from '../measure/latency.ts';
import { latencyText, times, whole } from './figures.ts';

/** How fast messages come in: of all threads together. */
export interface IndexCost {
  readonly perSecond: number;
  readonly cpuMicros: number | null;
}

export interface SearchFigures {
  readonly messages: number;
  readonly conversations: number;
  readonly textBytesPerMessage: number;
  /** A corpus that is imported and indexed as it comes: until all of it is indexed, and for how long behind the import. */
  readonly importedPerSecond: number;
  readonly behindImportMs: number;
  /** The index made anew from the Timelines. */
  readonly rebuilt: IndexCost;
  /** On disk, with what the library needs around it. */
  readonly indexBytesPerMessage: number | null;
  /** From the ack until the index alone finds it, others being indexed beside. */
  readonly fresh: {
    readonly tries: number;
    readonly besidePerSecond: number;
    readonly ms: LatencySummary | null;
    readonly shareWithinSecond: number;
  };
  /** As a client gets a page of 50 by time, out of all conversations. */
  readonly queries: Readonly<Record<string, LatencySummary | null>>;
}

export interface SearchFloorFigures {
  readonly insert: IndexCost;
  readonly queries: Readonly<Record<string, LatencySummary | null>>;
}

/** To the library's own bulk insert and query. */
export const searchRatio = ({ rebuilt, queries }: SearchFigures, floor: SearchFloorFigures) => ({
  indexRate: times(rebuilt.perSecond, floor.insert.perSecond),
  indexCpu: times(rebuilt.cpuMicros, floor.insert.cpuMicros),
  queries: Object.fromEntries(
    Object.entries(queries).map(([kind, latency]) => [
      kind,
      { p50: times(latency?.p50, floor.queries[kind]?.p50), p99: times(latency?.p99, floor.queries[kind]?.p99) },
    ]),
  ),
});

/** For people. */
export function searchLines(figures: SearchFigures, floor: SearchFloorFigures): readonly string[] {
  const { fresh } = figures;
  return [
    `${whole(figures.messages)} messages in ${whole(figures.conversations)} conversations, ${whole(figures.textBytesPerMessage)} bytes of text each`,
    `imported and indexed: ${whole(figures.importedPerSecond)}/s, all of it ${whole(figures.behindImportMs)} ms behind the import`,
    `made anew: ${whole(figures.rebuilt.perSecond)}/s, ${whole(figures.rebuilt.cpuMicros)} µs of CPU a message; ` +
      `the library's bulk insert: ${whole(floor.insert.perSecond)}/s, ${whole(floor.insert.cpuMicros)} µs`,
    `on disk ${whole(figures.indexBytesPerMessage)} bytes a message`,
    `from the ack until the index alone finds it, ${whole(fresh.besidePerSecond)}/s beside: ${latencyText(fresh.ms)}, max ${(fresh.ms?.max ?? NaN).toFixed(0)} ms; ` +
      `${(100 * fresh.shareWithinSecond).toFixed(2)} % of ${whole(fresh.tries)} within a second`,
    ...Object.entries(figures.queries).map(
      ([kind, latency]) => `${kind}: ${latencyText(latency)}; the library alone: ${latencyText(floor.queries[kind])}`,
    ),
  ];
}
