import type { BenchOptions } from '../options.ts';
import type { Checked } from '../workloads/checked.ts';
import type { BenchHost } from '../workloads/bench-host.ts';
import type { Plot } from './plot.ts';

/** What a workload found out that measures in a way of its own, beside what every report tells. */
export interface Findings {
  readonly config: Readonly<Record<string, unknown>>;
  readonly rounds: readonly object[];
  /** Number by number, over all rounds. */
  readonly median: object;
  readonly floor: object;
  /** Of Millrace to its floor. */
  readonly ratio: object;
  readonly checked: Checked;
  /** What went wrong, for people: the first few. */
  readonly faults: readonly string[];
  /** Tables, for people. */
  readonly lines: readonly string[];
  readonly plots: readonly Plot[];
  /** Sentences: beside what no workload measures. */
  readonly notMeasured: readonly string[];
}

/** Measures one workload from its beginning to its end, and leaves nothing running. */
export type MeasureFindings = (options: BenchOptions, host: BenchHost) => Promise<Findings>;
