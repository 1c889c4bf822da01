import type { Random } from '@millrace/kernel';

/** What is looked for, by what it is. */
export const questionKinds = ['word', 'two words', 'beginning', 'sender and word', 'two characters'] as const;
export type QuestionKind = (typeof questionKinds)[number];

/** What a corpus says of a message. */
export interface Said {
  readonly from: string;
  readonly text: string;
}

export interface Question {
  readonly kind: QuestionKind;
  readonly text: string;
  /** Whether the last word may be the beginning of one. */
  readonly prefix: boolean;
  readonly sender: string | null;
  /** The message that it was made of. */
  readonly of: Said;
}

/** Words that no rule of any language cuts or folds in another way: small letters and spaces around. */
const WORD = /(?<=^| )[a-z]{4,20}(?=$| )/g;
const PAIR = /(?<=^| )[a-z]{3,20} [a-z]{3,20}(?=$| )/g;
const RUN = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Hangul}]{2}/gu;
/** Names that are ids as they are: others become one when they are imported. */
const PLAIN_NAME = /^[A-Za-z0-9._~-]{1,64}$/;
const BEGINNING = 3;

const pick = (random: Random, all: readonly string[] | null): string | null =>
  all === null ? null : (all[random.uint32() % all.length] ?? null);

/** A question of this kind that the message answers; null where it has nothing of the kind. */
export function questionOf(random: Random, kind: QuestionKind, of: Said): Question | null {
  const found = pick(random, of.text.match(kind === 'two characters' ? RUN : kind === 'two words' ? PAIR : WORD));
  if (found === null || (kind === 'sender and word' && !PLAIN_NAME.test(of.from))) return null;
  const text = kind === 'beginning' ? found.slice(0, BEGINNING) : found;
  return { kind, text, prefix: kind === 'beginning', sender: kind === 'sender and word' ? of.from : null, of };
}

/** Case and accents do not count. */
const folded = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** A hit as a client gets it. */
export interface SeenHit {
  readonly name: string;
  readonly from: string | null;
  readonly body: string;
}

export interface HitFault {
  readonly kind: 'lost' | 'duplicated';
  readonly text: string;
}

/**
 * What is wrong with a page of the newest hits: one that is none, one that comes twice, or that the message is not there of
 * which the question was made, though the page has room.
 */
export function pageFault({ text, sender, of }: Question, hits: readonly SeenHit[], limit: number): HitFault | null {
  const words = folded(text).split(' ');
  const strange = hits.find(
    ({ from, body }) => (sender !== null && from !== sender) || !words.every((word) => folded(body).includes(word)),
  );
  if (strange !== undefined) return { kind: 'lost', text: `"${text}" found ${strange.name}: ${strange.body}` };
  if (new Set(hits.map(({ name }) => name)).size < hits.length) return { kind: 'duplicated', text: `"${text}" twice` };
  if (hits.length === limit || hits.some(({ body }) => body === of.text)) return null;
  return { kind: 'lost', text: `"${text}" did not find "${of.text}"` };
}

/** Some of them, each with the same chance, in the order in which they came. */
export class Sample<T> {
  readonly #random: Random;
  readonly #max: number;
  readonly taken: T[] = [];
  #seen = 0;

  constructor(random: Random, max: number) {
    this.#random = random;
    this.#max = max;
  }

  add(item: T): void {
    this.#seen += 1;
    if (this.taken.length < this.#max) this.taken.push(item);
    else {
      const at = this.#random.uint32() % this.#seen;
      if (at < this.#max) this.taken[at] = item;
    }
  }
}
