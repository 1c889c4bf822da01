import { gaugeIn, metricsOf } from '../server-metrics.ts';

/** Of a server's event loop since it was asked last, milliseconds. */
export interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

/** From the text that `/metrics` answers; null when it does not tell. Exported for its test. */
export function parseLoopDelay(metrics: string): LoopDelay | null {
  const p99 = gaugeIn(metrics, 'nodejs_eventloop_lag_p99_seconds');
  const max = gaugeIn(metrics, 'nodejs_eventloop_lag_max_seconds');
  return p99 === null || max === null ? null : { p99: p99 * 1_000, max: max * 1_000 };
}

export async function loopDelayOf(url: string): Promise<LoopDelay | null> {
  return parseLoopDelay(await metricsOf(url));
}
