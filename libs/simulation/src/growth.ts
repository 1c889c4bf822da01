type Sample = Readonly<Record<string, number>>;

export interface Grown {
  readonly name: string;
  /** The means of the middle third and of the last one. */
  readonly middle: number;
  readonly last: number;
}

const SHARE_MAX = 0.1;
/** What may come on top, in the unit of each: what a plateau of that height wavers by. */
const SLACK: Readonly<Record<string, number>> = { heapBytes: 1_000_000 };
const SLACK_DEFAULT = 20;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * What goes on growing: whatever is in the last third of the samples on average more than a tenth, and more than a
 * slack, above the middle third. The first third is for filling what is bounded.
 */
export function judgeGrowth(samples: readonly Sample[]): readonly Grown[] {
  const third = Math.floor(samples.length / 3);
  if (third === 0) return [];
  const names = Object.keys(samples.at(-1) ?? {});
  const meanOf = (name: string, from: number, to: number): number =>
    mean(samples.slice(from, to).map((sample) => sample[name] ?? 0));
  return names
    .map((name) => ({
      name,
      middle: meanOf(name, samples.length - 2 * third, samples.length - third),
      last: meanOf(name, samples.length - third, samples.length),
    }))
    .filter(({ name, middle, last }) => last > middle * (1 + SHARE_MAX) + (SLACK[name] ?? SLACK_DEFAULT));
}
