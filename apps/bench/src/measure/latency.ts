import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** One minute: what takes longer is counted as this. */
const HIGHEST_MICROS = 60_000_000;
const DIGITS = 3;

/** Milliseconds. */
export interface LatencySummary {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Latencies in microseconds, at three significant digits. */
export class Latency {
  readonly #histogram: Histogram;

  constructor(histogram?: Histogram) {
    this.#histogram =
      histogram ??
      build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: HIGHEST_MICROS,
        numberOfSignificantValueDigits: DIGITS,
      });
  }

  static decode(text: string): Latency {
    return new Latency(decodeFromCompressedBase64(text, 32));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(micros: number): void {
    this.#histogram.recordValue(Math.min(HIGHEST_MICROS, Math.max(1, Math.round(micros))));
  }

  add(other: Latency): void {
    this.#histogram.add(other.#histogram);
  }

  /** For another process, or a file. */
  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  /** Null when nothing was recorded. */
  summary(): LatencySummary | null {
    if (this.count === 0) return null;
    const at = (percentile: number): number => this.#histogram.getValueAtPercentile(percentile) / 1000;
    return { p50: at(50), p99: at(99), p999: at(99.9), max: this.#histogram.maxValue / 1000 };
  }

  /** `[percentile, milliseconds]` along the curve, denser towards the end, for a plot. */
  curve(): readonly (readonly [number, number])[] {
    const points: (readonly [number, number])[] = [];
    for (let nines = 0; nines <= 4; nines += 0.125) {
      const percentile = 100 * (1 - 10 ** -nines);
      points.push([percentile, this.#histogram.getValueAtPercentile(percentile) / 1000]);
    }
    return points;
  }
}
