/*
 * What texts say, read a second time: for measuring what an index finds, and sharing nothing with what fills it or answers
 * from it. As docs/search.md tells it: case, accents of four scripts and width do not count; words of at most 24 UTF-16
 * units, runs of what is written without spaces, pictographs.
 */

const WORD_UNITS = 24;
const ACCENTED = /([\p{sc=Latin}\p{sc=Greek}\p{sc=Arabic}\p{sc=Hebrew}])\p{M}+/gu;
const UNSEEN = /[\u{ad}\u{200b}-\u{200d}\u{2060}\u{feff}\u{640}\u{20e3}\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]/gu;
const SPELT = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ð: 'd', þ: 'th', ł: 'l', ħ: 'h', ı: 'i', ς: 'σ', ё: 'е' };
const PIECE =
  /(?<run>(?:(?=[\p{L}\p{N}\p{M}])[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Bopo}\p{scx=Yi}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmr}\p{scx=Mymr}])+)|(?<word>(?:(?![\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Bopo}\p{scx=Yi}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmr}\p{scx=Mymr}])[\p{L}\p{N}\p{M}])+)|(?<sign>[\p{Extended_Pictographic}\p{Regional_Indicator}])/gu;

/** A word, a pictograph, or, behind a `~`, a run. */
export type Piece = string;

const RUN = '~';
/** A run by its characters. */
const keysOf = (piece: Piece): readonly string[] =>
  isRun(piece) ? Array.from(piece.slice(1), (character) => RUN + character) : [piece];

const isRun = (piece: Piece): boolean => piece.startsWith(RUN);

function plain(text: string): string {
  const bare = text.normalize('NFKC').toLowerCase().normalize('NFD').replace(ACCENTED, '$1').normalize('NFC');
  const spelt = Object.entries(SPELT).reduce((so, [letter, letters]) => so.replaceAll(letter, letters), bare);
  return spelt.replace(UNSEEN, '');
}

/** The pieces of a text, in its order. */
export function piecesOf(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const { groups = {} } of plain(text).matchAll(PIECE)) {
    const { run, word = '', sign } = groups;
    if (run !== undefined) pieces.push(RUN + run);
    if (sign !== undefined) pieces.push(sign);
    for (let at = 0; at < word.length; at += WORD_UNITS) pieces.push(word.slice(at, at + WORD_UNITS));
  }
  return pieces;
}

/** What is asked of a text: all of its words, the beginning of one, pieces side by side, or a part of a run. */
export type Sought =
  | { readonly how: 'words'; readonly pieces: readonly Piece[] }
  | { readonly how: 'beginning'; readonly word: string }
  | { readonly how: 'side by side'; readonly pieces: readonly Piece[] }
  | { readonly how: 'part'; readonly part: string };

export const partOfRun = (characters: string): Sought => ({ how: 'part', part: plain(characters) });

/** Whether a run or word stands where another is asked for, at the edges of what is quoted only in part. */
function stands(piece: Piece | undefined, asked: Piece, isFirst: boolean, isLast: boolean): boolean {
  if (piece === undefined || !isRun(asked) || !isRun(piece)) return piece === asked;
  const [run, part] = [piece.slice(1), asked.slice(1)];
  if (isFirst && isLast) return run.includes(part);
  if (isFirst) return run.endsWith(part);
  return isLast ? run.startsWith(part) : run === part;
}

export function says(pieces: readonly Piece[], sought: Sought): boolean {
  switch (sought.how) {
    case 'words':
      return sought.pieces.every((asked) => pieces.includes(asked));
    case 'beginning':
      return pieces.some((piece) => !isRun(piece) && piece.startsWith(sought.word));
    case 'part':
      return pieces.some((piece) => isRun(piece) && piece.includes(sought.part));
    case 'side by side': {
      const last = sought.pieces.length - 1;
      return pieces.some((_, from) =>
        sought.pieces.every((asked, at) => stands(pieces[from + at], asked, at === 0, at === last)),
      );
    }
  }
}

/** Texts by number, with lists of which have which piece, and which character of a run: few are looked at for an answer. */
export class ReferenceTexts {
  readonly #texts: (readonly Piece[])[] = [];
  readonly #having = new Map<string, number[]>();
  readonly #known = new Map<Piece, Piece>();

  constructor(texts: Iterable<string>) {
    for (const text of texts) this.#add(text);
  }

  #add(text: string): void {
    const number = this.#texts.length;
    // One copy of each word, however often it is said.
    const pieces = piecesOf(text).map((piece) => {
      const known = this.#known.get(piece) ?? piece;
      this.#known.set(known, known);
      return known;
    });
    this.#texts.push(pieces);
    const keys = new Set(pieces.flatMap(keysOf));
    for (const key of keys) {
      const having = this.#having.get(key);
      if (having === undefined) this.#having.set(key, [number]);
      else having.push(number);
    }
  }

  /** The numbers of the texts that say it, rising. */
  saying(sought: Sought): readonly number[] {
    return this.#candidates(sought).filter((number) => says(this.#texts[number] ?? [], sought));
  }

  #candidates(sought: Sought): readonly number[] {
    if (sought.how === 'beginning') {
      const keys = [...this.#having.keys()].filter((key) => !isRun(key) && key.startsWith(sought.word));
      return [...new Set(keys.flatMap((key) => this.#of(key)))].sort((one, other) => one - other);
    }
    const pieces = sought.how === 'part' ? [RUN + sought.part] : sought.pieces;
    const keys = pieces.flatMap(keysOf);
    const lists = keys.map((key) => this.#of(key)).sort((one, other) => one.length - other.length);
    return lists[0] ?? [];
  }

  #of(key: string): readonly number[] {
    return this.#having.get(key) ?? [];
  }
}
