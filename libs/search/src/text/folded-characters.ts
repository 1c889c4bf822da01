/**
 * How characters are compared: `run` characters belong to scripts that are written without spaces between words, or where
 * what is searched for begins and ends within them; `word` characters make words; a `symbol` stands for itself.
 */
export type CharacterKind = 'run' | 'word' | 'symbol' | 'gap';

export interface FoldedCharacter {
  /** One code point. */
  readonly text: string;
  readonly kind: CharacterKind;
}

/** A character with the marks on it, so that folding one does not depend on what stands around it. */
const CLUSTER = /.[\p{M}\u{1160}-\u{11ff}\u{ff9e}\u{ff9f}]*/gsu;
/** Scripts whose marks are left out when words are compared. In the others they make another word. */
const BARE = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Arabic}\p{Script=Hebrew}]/u;
const MARKS = /\p{M}+/gu;
/** Neither seen nor a gap: soft hyphen, joiners of width zero, tatweel, what chooses a variant of a character. */
const UNSEEN = /^[\u{ad}\u{200b}-\u{200d}\u{2060}\u{feff}\u{640}\u{20e3}\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]$/u;
const RUN =
  /^(?=[\p{L}\p{N}\p{M}])[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Bopomofo}\p{scx=Yi}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]$/u;
const WORD = /^[\p{L}\p{N}\p{M}]$/u;
const SYMBOL = /^[\p{Extended_Pictographic}\p{Regional_Indicator}]$/u;

/** Letters that no normal form takes apart, and that are typed in these ways. */
const LETTERS: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ł: 'l',
  ħ: 'h',
  ı: 'i',
  ς: 'σ',
  ё: 'е',
};

function kindOf(character: string): CharacterKind {
  if (RUN.test(character)) return 'run';
  if (WORD.test(character)) return 'word';
  return SYMBOL.test(character) ? 'symbol' : 'gap';
}

function fold(cluster: string): readonly FoldedCharacter[] {
  const composed = cluster.normalize('NFKC').toLowerCase();
  const bare = BARE.test(composed) ? composed.normalize('NFD').replace(MARKS, '') : composed;
  const folded: FoldedCharacter[] = [];
  for (const character of bare) {
    if (UNSEEN.test(character)) continue;
    for (const text of LETTERS[character] ?? character) folded.push({ text, kind: kindOf(text) });
  }
  return folded;
}

const KNOWN_MAX = 20_000;
/** What was folded already: a language has some thousand clusters. */
const known = new Map<string, readonly FoldedCharacter[]>();

/**
 * The folded characters of a text and where each stands in it, in UTF-16 units. Several may stand in the same place
 * (`ß` is `s`, `s`); what is unseen has none.
 */
export function* foldedCharacters(
  text: string,
): Generator<{ readonly character: FoldedCharacter; readonly start: number; readonly end: number }> {
  for (const match of text.matchAll(CLUSTER)) {
    const [cluster] = match;
    let folded = known.get(cluster);
    if (folded === undefined) {
      folded = fold(cluster);
      if (known.size >= KNOWN_MAX) known.clear();
      known.set(cluster, folded);
    }
    for (const character of folded) yield { character, start: match.index, end: match.index + cluster.length };
  }
}
