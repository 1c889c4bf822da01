/** Seqs that are next to each other, rising, with how often each was added. */
interface Bucket {
  readonly seqs: number[];
  readonly counts: number[];
  /** Of all `counts`. */
  total: number;
}

/** Different seqs in one bucket, at most: what one change moves. */
const BUCKET_MAX = 128;

/** The index of the first element that is above `value`: 0..length. */
function firstAbove(length: number, at: (index: number) => number, value: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(middle) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * A multiset of seqs that tells how many of them are at or below one.
 *
 * Kept in buckets of at most 128 different seqs. A change costs two binary searches and at most one move within a bucket;
 * a count adds up the totals of the buckets before it. 10,000 different seqs are at most some 160 buckets, and mostly there
 * are far fewer: those who have read up to the same message share one.
 */
export class SeqCounts {
  readonly #buckets: Bucket[] = [];

  /** How many different seqs there are. */
  get distinct(): number {
    return this.#buckets.reduce((sum, { seqs }) => sum + seqs.length, 0);
  }

  add(seq: number): void {
    const index = this.#bucketOf(seq);
    const bucket = this.#buckets[index];
    if (bucket === undefined) {
      this.#buckets.push({ seqs: [seq], counts: [1], total: 1 });
      return;
    }
    const at = this.#below(bucket, seq);
    bucket.total += 1;
    if (bucket.seqs[at - 1] === seq) {
      bucket.counts[at - 1] = (bucket.counts[at - 1] ?? 0) + 1;
      return;
    }
    bucket.seqs.splice(at, 0, seq);
    bucket.counts.splice(at, 0, 1);
    if (bucket.seqs.length > BUCKET_MAX) this.#split(index, bucket);
  }

  /** Takes one of this seq away. Nothing happens when there is none. */
  remove(seq: number): void {
    const index = this.#bucketOf(seq);
    const bucket = this.#buckets[index];
    if (bucket === undefined) return;
    const at = this.#below(bucket, seq) - 1;
    if (bucket.seqs[at] !== seq) return;
    bucket.total -= 1;
    const left = (bucket.counts[at] ?? 0) - 1;
    bucket.counts[at] = left;
    if (left > 0) return;
    bucket.seqs.splice(at, 1);
    bucket.counts.splice(at, 1);
    if (bucket.seqs.length === 0) this.#buckets.splice(index, 1);
  }

  /** How many are at or below `seq`. */
  upTo(seq: number): number {
    const index = this.#bucketOf(seq);
    let count = 0;
    for (let before = 0; before < index; before += 1) count += this.#buckets[before]?.total ?? 0;
    const bucket = this.#buckets[index];
    if (bucket === undefined) return count;
    const end = this.#below(bucket, seq);
    for (let at = 0; at < end; at += 1) count += bucket.counts[at] ?? 0;
    return count;
  }

  /** The last bucket that begins at or below `seq`, else the first. */
  #bucketOf(seq: number): number {
    const above = firstAbove(this.#buckets.length, (index) => this.#buckets[index]?.seqs[0] ?? 0, seq);
    return Math.max(0, above - 1);
  }

  /** How many seqs of the bucket are at or below `seq`. */
  #below({ seqs }: Bucket, seq: number): number {
    return firstAbove(seqs.length, (index) => seqs[index] ?? 0, seq);
  }

  #split(index: number, { seqs, counts }: Bucket): void {
    const half = seqs.length >>> 1;
    const bucketOf = (from: number, to?: number): Bucket => {
      const part = counts.slice(from, to);
      return { seqs: seqs.slice(from, to), counts: part, total: part.reduce((sum, count) => sum + count, 0) };
    };
    this.#buckets.splice(index, 1, bucketOf(0, half), bucketOf(half));
  }
}
