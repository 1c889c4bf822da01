/** The middle one; of an even number the mean of the two in the middle. Null when there is none. */
export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return null;
  const lower = sorted[middle - 1] ?? upper;
  return sorted.length % 2 === 1 ? upper : (lower + upper) / 2;
}

type Tree = number | string | boolean | null | undefined | readonly Tree[] | { readonly [name: string]: Tree };

const isBranch = (value: unknown): value is Readonly<Record<string, Tree>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The median of each number of several results of one shape, name by name. What is null in some is left out of its
 * median; what is no number in any is null.
 */
export function medianOf<T extends object>(results: readonly T[]): T {
  const merge = (values: readonly unknown[]): Tree => {
    const branches = values.filter(isBranch);
    if (branches.length > 0) {
      const names = new Set(branches.flatMap((branch) => Object.keys(branch)));
      return Object.fromEntries([...names].map((name) => [name, merge(branches.map((branch) => branch[name]))]));
    }
    return median(values.filter((value): value is number => typeof value === 'number'));
  };
  return merge(results) as unknown as T;
}
