import type { SenderPause } from './live-report.ts';

/** How many are kept of each second, and of how many seconds. */
const OF_A_SECOND = 8;
const SECONDS_MAX = 3_600;

/**
 * The longest pauses of each second. Those of one bad second, as the first of a load are, crowd out none of another one: what
 * a fault did can be told from what went before.
 */
export class PauseBook {
  readonly #bySecond = new Map<string, SenderPause[]>();

  add(pause: SenderPause): void {
    // An ISO time up to its seconds.
    const second = pause.at.slice(0, 19);
    const known = this.#bySecond.get(second) ?? [];
    known.push(pause);
    known.sort(longestFirst).splice(OF_A_SECOND);
    this.#bySecond.set(second, known);
    if (this.#bySecond.size <= SECONDS_MAX) return;
    for (const oldest of this.#bySecond.keys()) {
      this.#bySecond.delete(oldest);
      return;
    }
  }

  /** The longest first. */
  get pauses(): readonly SenderPause[] {
    return [...this.#bySecond.values()].flat().sort(longestFirst);
  }
}

const longestFirst = (left: SenderPause, right: SenderPause): number => right.ms - left.ms;
