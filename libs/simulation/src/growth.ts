type Sample = Readonly<Record<string, number>>;

export interface Grown {
  readonly name: string;
  /** The means of the middle third and of the last one. */
  readonly middle: number;
  readonly last: number;
}

const SHARE_MAX = 0.1;

const slackOfWorld = (name: string): number => (name === 'heapBytes' ? 1_000_000 : 20);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * What goes on growing: whatever is in the last third of the samples on average more than a tenth, and more than a
 * slack, above the middle third. The first third is for filling what is bounded. A sample may lack a name.
 *
 * @param slackOf - what may come on top, in the unit of each: what a plateau of that height wavers by.
 */
export function judgeGrowth(samples: readonly Sample[], slackOf = slackOfWorld): readonly Grown[] {
  const third = Math.floor(samples.length / 3);
  if (third === 0) return [];
  const names = [...new Set(samples.flatMap((sample) => Object.keys(sample)))];
  const meanOf = (name: string, from: number, to: number): number =>
    mean(samples.slice(from, to).flatMap((sample) => sample[name] ?? []));
  return names
    .map((name) => ({
      name,
      middle: meanOf(name, samples.length - 2 * third, samples.length - third),
      last: meanOf(name, samples.length - third, samples.length),
    }))
    .filter(({ name, middle, last }) => last > middle * (1 + SHARE_MAX) + slackOf(name));
}
