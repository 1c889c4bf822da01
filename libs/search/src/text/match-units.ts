import { charactersOf, type Place, type Unit } from './units.ts';
import type { Wanted } from './wanted.ts';

/** Part of a run: from which character on, and how many. */
function placesIn({ places }: Unit, from: number, count: number): readonly Place[] {
  return places.slice(from, from + count);
}

/** Every place within a run where another one stands, by characters. */
function within(run: Unit, part: Unit): readonly number[] {
  const whole = charactersOf(run.text);
  const looked = charactersOf(part.text);
  const found: number[] = [];
  for (let at = 0; at + looked.length <= whole.length; at += 1) {
    if (looked.every((character, index) => whole[at + index] === character)) found.push(at);
  }
  return found;
}

/**
 * Where a sequence stands when its first unit is looked for at `at`; null when it does not. A run at the beginning of
 * several may begin within a longer one, at the end it may end within one; alone it may do both.
 */
function standsAt(units: readonly Unit[], at: number, sequence: readonly Unit[]): readonly Place[] | null {
  const all: Place[] = [];
  for (const [index, wanted] of sequence.entries()) {
    const unit = units[at + index];
    if (unit?.kind !== wanted.kind) return null;
    if (wanted.kind !== 'run') {
      if (unit.text !== wanted.text) return null;
      all.push(unit);
      continue;
    }
    const length = wanted.places.length;
    const isFirst = index === 0;
    const isLast = index === sequence.length - 1;
    const fits = within(unit, wanted).filter(
      (from) => (isFirst || from === 0) && (isLast || from + length === unit.places.length),
    );
    if (fits.length === 0) return null;
    for (const from of fits) all.push(...placesIn(unit, from, length));
  }
  return all;
}

/** Every place of a sequence in a text. Empty when it is not there. */
export function placesOf(units: readonly Unit[], sequence: readonly Unit[]): readonly Place[] {
  return units.flatMap((_, at) => standsAt(units, at, sequence) ?? []);
}

/** Where what is wanted stands in a text, in no order; null when not all of it does. */
export function matchUnits(units: readonly Unit[], { sequences, beginning }: Wanted): readonly Place[] | null {
  const all: Place[] = [];
  for (const sequence of sequences) {
    const places = placesOf(units, sequence);
    if (places.length === 0) return null;
    all.push(...places);
  }
  if (beginning !== null) {
    const begun = units.filter(({ kind, text }) => kind === 'word' && text.startsWith(beginning));
    if (begun.length === 0) return null;
    all.push(...begun);
  }
  return all;
}
