/** A number of the text that `/metrics` answers; null when it is not there. */
export function gaugeIn(metrics: string, name: string): number | null {
  const value = new RegExp(`^${name}(?:\\{[^}]*\\})? ([\\d.e+-]+)$`, 'm').exec(metrics)?.[1];
  return value === undefined ? null : Number(value);
}

export const metricsOf = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text();

/** In use in the heaps of servers together, and by what these refer to outside of them; null when one does not tell. */
export async function heapBytesOf(urls: readonly string[]): Promise<number | null> {
  let sum: number | null = 0;
  for (const metrics of await Promise.all(urls.map(metricsOf))) {
    const [used, external] = [
      gaugeIn(metrics, 'nodejs_heap_size_used_bytes'),
      gaugeIn(metrics, 'nodejs_external_memory_bytes'),
    ];
    sum = sum === null || used === null || external === null ? null : sum + used + external;
  }
  return sum;
}
