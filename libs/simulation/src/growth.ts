type Sample = Readonly<Record<string, number>>;

export interface Grown {
  readonly name: string;
  /** The higher of the means of the first two thirds, and that of the last one. */
  readonly before: number;
  readonly last: number;
}

const SHARE_MAX = 0.1;

const slackOfWorld = (name: string): number => (name === 'heapBytes' ? 1_000_000 : 20);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

export const namesIn = (samples: readonly Sample[]): readonly string[] => [
  ...new Set(samples.flatMap((sample) => Object.keys(sample))),
];

/** The means over the three thirds; NaN where no sample has the name. What is over at the beginning is left out. */
export function thirdsOf(samples: readonly Sample[], name: string): readonly [number, number, number] {
  const third = Math.floor(samples.length / 3);
  const meanOf = (back: number): number => {
    const from = samples.length - back * third;
    return mean(samples.slice(from, from + third).flatMap((sample) => sample[name] ?? []));
  };
  return [meanOf(3), meanOf(2), meanOf(1)];
}

/**
 * What goes on growing: whatever is in the last third of the samples on average more than a tenth, and more than a
 * slack, above both of the others. What is bounded fills up in the first one, and a dip in the middle is no growth behind
 * it. A sample may lack a name.
 *
 * @param slackOf - what may come on top, in the unit of each: what a plateau of that height wavers by.
 */
export function judgeGrowth(samples: readonly Sample[], slackOf = slackOfWorld): readonly Grown[] {
  return namesIn(samples)
    .map((name) => {
      const [first, middle, last] = thirdsOf(samples, name);
      return { name, before: Number.isNaN(first) ? middle : Math.max(first, middle), last };
    })
    .filter(({ name, before, last }) => last > before * (1 + SHARE_MAX) + slackOf(name));
}
