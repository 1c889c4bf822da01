import type { ConversationId } from '@millrace/kernel';
import type { Findings } from './findings.ts';

/**
 * One device's way through one conversation, by what its client told: it must be told every entry from seq 1 on, once, in
 * order. A higher generation takes the place of what it follows on (docs/protocol.md, lost history).
 */
export class DeviceLog {
  readonly #conversation: ConversationId;
  readonly #device: string;
  readonly #findings: Findings;
  /** The generation of the entry that it holds, by seq; 0 where it holds none. */
  readonly #gens: number[] = [0];
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
    if (seq > this.head + 1) {
      this.#wrong('gap', `was shown ${where} after seq ${String(this.head)}`);
      this.#skipTo(seq - 1);
    }
    this.#gens.push(gen);
    this.#lastGen = gen;
  }

  /** The client said that `after + 1 .. to` come as no event: they are to be paged. */
  skipped(after: number, to: number): void {
    if (after < this.head) this.#wrong('backwards', `skips from ${String(after)} when it was at ${String(this.head)}`);
    else if (after > this.head) this.#wrong('gap', `skips from ${String(after)} when it was at ${String(this.head)}`);
    this.#skipTo(to);
  }

  /** An entry of a page that it asked for because of a skip. */
  paged(gen: number, seq: number): void {
    if (this.#gens[seq] === 0) this.#gens[seq] = gen;
  }

  /** The client said that what came after `from` in generation `gen` was lost. */
  regressed(gen: number, from: number): void {
    while (this.head > from && (this.#gens[this.head] ?? 0) <= gen) this.#gens.pop();
    this.#summary = { gen: 0, seq: 0 };
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

  #skipTo(seq: number): void {
    while (this.head < seq) this.#gens.push(0);
  }

  #wrong(kind: 'duplicated' | 'backwards' | 'gap', text: string): void {
    this.#findings.add(kind, this.#conversation, `${this.#device} ${text}`);
  }
}
