import { charactersOf, type Unit } from '../../text/units.ts';
import type { Wanted } from '../../text/wanted.ts';

/**
 * What stands for a text in the index, a token a word. A run becomes its pairs of characters, one overlapping the other,
 * and its last character alone: so each of its characters begins a token, any part of two or more characters is a phrase
 * of pairs, and a token of a single character is where a run ends.
 */
export function tokensOf(units: readonly Unit[]): readonly string[] {
  return units.flatMap((unit) => (unit.kind === 'run' ? runTokens(unit.text, true) : [unit.text]));
}

function runTokens(text: string, toItsEnd: boolean): readonly string[] {
  const characters = charactersOf(text);
  const tokens = characters.slice(0, -1).map((character, at) => character + (characters[at + 1] ?? ''));
  return toItsEnd ? [...tokens, ...characters.slice(-1)] : tokens;
}

/** Tokens have no quotes and no spaces: neither letters nor pictographs are. */
const quoted = (tokens: readonly string[]): string => `"${tokens.join(' ')}"`;

/**
 * A sequence in the language of FTS5: a phrase. A run at its end may go on in the text: its own end is then not asked for,
 * and a single character is the beginning of a pair or what a run ends with.
 */
function phraseOf(sequence: readonly Unit[]): string {
  const last = sequence.at(-1);
  if (last?.kind !== 'run') return quoted(tokensOf(sequence));
  const before = tokensOf(sequence.slice(0, -1));
  const tokens = runTokens(last.text, false);
  return tokens.length === 0 ? `${quoted([...before, last.text])} *` : quoted([...before, ...tokens]);
}

/** What {@link Wanted} asks, in the language of FTS5. */
export function matchOf({ sequences, beginning }: Wanted): string {
  const phrases = sequences.map(phraseOf);
  if (beginning !== null) phrases.push(`${quoted([beginning])} *`);
  return phrases.join(' AND ');
}

/** The whole query side by side, to tell what fits best; null when it is one unit, which always does. */
export const matchInOrder = ({ inOrder }: Wanted): string | null => (inOrder.length < 2 ? null : phraseOf(inOrder));
