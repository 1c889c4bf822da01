import type { ConversationId } from '@millrace/kernel';
import type { Findings } from './findings.ts';

/** Not held, and its client said so; not held, and nobody has said why yet. */
const SKIPPED = 0;
const MISSING = -1;

/**
 * One device's way through one conversation, by what its client told: it must be told every entry from seq 1 on, once, in
 * order, or that it was skipped, which it then pages. A higher generation takes the place of what it follows on
 * (docs/protocol.md, lost history). A client finds out what was skipped or lost by asking, so it may say so later than
 * what comes behind it: a hole is a gap only if nothing has explained it at the end.
 */
export class DeviceLog {
  readonly #conversation: ConversationId;
  readonly #device: string;
  readonly #findings: Findings;
  /** The generation of the entry that it holds, by seq. */
  readonly #gens: number[] = [SKIPPED];
  /** The generation in which each was skipped that was, by seq. */
  readonly #skippedIn = new Map<number, number>();
  #lastGen = 0;
  /** The last summary's position. */
  #summary = { gen: 0, seq: 0 };

  /** @param device - its name, for people. */
  constructor(conversation: ConversationId, device: string, findings: Findings) {
    this.#conversation = conversation;
    this.#device = device;
    this.#findings = findings;
  }

  /** The seq of the last entry that it holds. */
  get head(): number {
    return this.#gens.length - 1;
  }

  /** A message as an event. */
  shown(gen: number, seq: number): void {
    const where = `${String(gen)}-${String(seq)}`;
    if (gen < this.#lastGen) {
      this.#wrong('backwards', `was shown ${where} after generation ${String(this.#lastGen)}`);
      return;
    }
    if (gen > this.#lastGen) this.#gens.length = Math.min(this.#gens.length, seq);
    if (seq <= this.head) {
      if (this.#gens[seq] === gen) this.#wrong('duplicated', `was shown ${where} twice`);
      else this.#wrong('backwards', `was shown ${where} when it was at ${String(this.head)}`);
      return;
    }
    while (this.head + 1 < seq) this.#gens.push(MISSING);
    this.#gens.push(gen);
    this.#lastGen = gen;
  }

  /** The client said that `after + 1 .. to` of this generation come as no event: they are to be paged. */
  skipped(gen: number, after: number, to: number): void {
    while (this.head < after) this.#gens.push(MISSING);
    for (let seq = after + 1; seq <= to; seq += 1) {
      this.#skippedIn.set(seq, gen);
      if (seq > this.head) this.#gens[seq] = SKIPPED;
      else if (this.#gens[seq] === MISSING) this.#gens[seq] = SKIPPED;
      else if (this.#gens[seq] !== SKIPPED) this.#wrong('backwards', `skips seq ${String(seq)}, which it was shown`);
    }
  }

  /** An entry of a page that it asked for because of a skip. */
  paged(gen: number, seq: number): void {
    if (this.#gens[seq] === SKIPPED) this.#gens[seq] = gen;
  }

  /** The client said that what came after `from` in generation `gen` was lost. */
  regressed(gen: number, from: number): void {
    for (let seq = from + 1; seq <= this.head; seq += 1) {
      const held = this.#gens[seq] ?? MISSING;
      const of = held === SKIPPED ? (this.#skippedIn.get(seq) ?? 0) : held;
      if (of <= gen) this.#gens[seq] = MISSING;
    }
    while (this.head > from && this.#gens[this.head] === MISSING) this.#gens.pop();
    this.#summary = { gen: 0, seq: 0 };
  }

  /** Nothing more comes: what is missing without a word is a gap. */
  ended(): void {
    for (let seq = 1; seq <= this.head; seq += 1) {
      if (this.#gens[seq] !== MISSING || this.#gens[seq - 1] === MISSING) continue;
      this.#wrong('gap', `was shown nothing at seq ${String(seq)}, and was shown later ones`);
    }
  }

  /** The client's summary of the conversation. */
  summary(gen: number, seq: number): void {
    const { gen: lastGen, seq: lastSeq } = this.#summary;
    if (gen < lastGen || (gen === lastGen && seq < lastSeq)) {
      const [from, to] = [`${String(lastGen)}-${String(lastSeq)}`, `${String(gen)}-${String(seq)}`];
      this.#wrong('backwards', `has a summary that went from ${from} back to ${to}`);
    }
    this.#summary = { gen, seq };
  }

  /** @returns the seqs that it lacks, holds of another generation, or holds beyond what is stored. */
  differsFrom(stored: readonly number[]): readonly number[] {
    const seqs: number[] = [];
    for (let seq = 1; seq < Math.max(stored.length, this.#gens.length); seq += 1) {
      if (stored[seq] !== this.#gens[seq]) seqs.push(seq);
    }
    return seqs;
  }

  #wrong(kind: 'duplicated' | 'backwards' | 'gap', text: string): void {
    this.#findings.add(kind, this.#conversation, `${this.#device} ${text}`);
  }
}
