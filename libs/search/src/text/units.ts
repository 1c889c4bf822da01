import { foldedCharacters } from './folded-characters.ts';

/** Where something stands in a text: UTF-16 units, `end` not included. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/**
 * What texts are cut into and compared by, folded.
 *
 * - `word`: letters and digits, up to {@link WORD_UNITS_MAX} UTF-16 units. A longer one is cut into several, of which
 *   all but the first are `joined`.
 * - `run`: consecutive characters of scripts that are written without spaces.
 * - `symbol`: one pictograph.
 */
export interface Unit extends Place {
  readonly kind: 'word' | 'run' | 'symbol';
  readonly text: string;
  readonly joined: boolean;
  /** Where each character of a run stands. Empty for others. */
  readonly places: readonly Place[];
}

export const WORD_UNITS_MAX = 24;

/** The code points of a text that is folded. */
export const charactersOf = (text: string): readonly string[] => Array.from(text);

/** No character of it folds to anything else than itself or its lower case. */
const ASCII = /^[\0-\x7f]*$/;
const ASCII_WORD = /[a-z0-9]+/g;
const NO_PLACES: readonly Place[] = [];

function asciiUnits(text: string): readonly Unit[] {
  const units: Unit[] = [];
  for (const match of text.toLowerCase().matchAll(ASCII_WORD)) {
    const [word] = match;
    for (let at = 0; at < word.length; at += WORD_UNITS_MAX) {
      const piece = word.slice(at, at + WORD_UNITS_MAX);
      const start = match.index + at;
      units.push({ kind: 'word', text: piece, joined: at > 0, start, end: start + piece.length, places: NO_PLACES });
    }
  }
  return units;
}

/** The units of a text, in its order. Between two of them there may be anything that is no unit, or nothing. */
export function unitsOf(text: string): readonly Unit[] {
  if (ASCII.test(text)) return asciiUnits(text);
  const units: Unit[] = [];
  let open: { kind: 'word' | 'run'; text: string; joined: boolean; places: Place[] } | null = null;
  const close = (): void => {
    const first = open?.places[0];
    const last = open?.places.at(-1);
    if (open !== null && first !== undefined && last !== undefined) {
      const { kind, joined, places } = open;
      const span = { start: first.start, end: last.end };
      units.push({ kind, text: open.text, joined, ...span, places: kind === 'run' ? places : NO_PLACES });
    }
    open = null;
  };
  for (const { character, start, end } of foldedCharacters(text)) {
    const { kind } = character;
    if (kind === 'gap' || kind === 'symbol') {
      close();
      if (kind === 'symbol') units.push({ kind, text: character.text, joined: false, start, end, places: NO_PLACES });
      continue;
    }
    // A change of script begins a unit, and so does a word that is long enough.
    let joined = false;
    if (open?.kind === 'word' && kind === 'word' && open.text.length + character.text.length > WORD_UNITS_MAX) {
      close();
      joined = true;
    } else if (open !== null && open.kind !== kind) close();
    open ??= { kind, text: '', joined, places: [] };
    open.text += character.text;
    open.places.push({ start, end });
  }
  close();
  return units;
}
