/** Commits within so much of each other are noted as one. */
const GRAIN_MS = 100;
const NOTES_MAX = 1_024;

/** For how long the oldest commit of a partition waits that a follower has not come to. Times are monotonic. */
export class FeedLag {
  #notes: { readonly commitNo: number; readonly atMs: number }[] = [];

  /** Something is to be followed up to this commit. */
  committed(commitNo: number, nowMs: number): void {
    const last = this.#notes.at(-1);
    if (last !== undefined && (nowMs - last.atMs < GRAIN_MS || this.#notes.length >= NOTES_MAX)) {
      // Under the earlier time: what waits is never said to be younger than it is.
      this.#notes[this.#notes.length - 1] = { commitNo: Math.max(commitNo, last.commitNo), atMs: last.atMs };
    } else this.#notes.push({ commitNo, atMs: nowMs });
  }

  /** The follower has come so far. */
  followed(commitNo: number): void {
    const left = this.#notes.findIndex((note) => note.commitNo > commitNo);
    this.#notes = left < 0 ? [] : this.#notes.slice(left);
  }

  /** Milliseconds; 0 when nothing waits. */
  ms(nowMs: number): number {
    const [oldest] = this.#notes;
    return oldest === undefined ? 0 : nowMs - oldest.atMs;
  }
}
