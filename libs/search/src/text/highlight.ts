import { matchUnits } from './match-units.ts';
import { unitsOf, type Place } from './units.ts';
import { wantedOf } from './wanted.ts';

/** Places in rising order that do not touch. */
export function joinedPlaces(places: readonly Place[]): readonly Place[] {
  const merged: Place[] = [];
  for (const place of [...places].sort((one, other) => one.start - other.start || one.end - other.end)) {
    const last = merged.at(-1);
    if (last !== undefined && place.start <= last.end) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, place.end) };
    } else merged.push({ start: place.start, end: place.end });
  }
  return merged;
}

/**
 * What to mark in a text that a query found: places in rising order that do not touch, in UTF-16 units. The index does not
 * keep texts, so whoever shows a hit fetches the message, and asks here.
 *
 * @returns empty when the text does not match, for instance because it was edited since.
 */
export function highlight(text: string, query: string, prefix = true): readonly Place[] {
  return joinedPlaces(matchUnits(unitsOf(text), wantedOf(query, prefix)) ?? []);
}
