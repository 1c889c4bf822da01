import { ok, type Result } from '@millrace/kernel';
import { wantedWithin } from '../bounds.ts';
import type { BadQuery } from '../search-errors.ts';
import { joinedPlaces } from './highlight.ts';
import { matchUnits, placesOf } from './match-units.ts';
import { unitsOf, type Place, type Unit } from './units.ts';
import { isEmptyWanted, type Wanted } from './wanted.ts';

/** How well a text fits a query: the lesser comes first, `tier` before `length`. */
export interface TextRank {
  /** 0 for a text that has all words of a query of several in its order, else 1. */
  readonly tier: 0 | 1;
  /** In units. */
  readonly length: number;
}

/**
 * The words of a query, to be held against texts themselves: those that no index has yet, and those that it may have as they
 * were before. What matches is the same as in every index.
 */
export class TextQuery {
  readonly #wanted: Wanted;
  /** The words in their order, as if none was a beginning. */
  readonly #inOrder: readonly Unit[];

  private constructor(text: string, wanted: Wanted) {
    this.#wanted = wanted;
    this.#inOrder = unitsOf(text);
  }

  /** @param prefix - whether the last word may be the beginning of one. */
  static of(text: string, prefix = true): Result<TextQuery, BadQuery> {
    const wanted = wantedWithin(text, prefix);
    return wanted.ok ? ok(new TextQuery(text, wanted.value)) : wanted;
  }

  /** What to mark in a text, in rising order, in UTF-16 units; null when it does not match. */
  placesIn(text: string): readonly Place[] | null {
    if (isEmptyWanted(this.#wanted)) return null;
    const places = matchUnits(unitsOf(text), this.#wanted);
    return places === null ? null : joinedPlaces(places);
  }

  rankOf(text: string): TextRank {
    const units = unitsOf(text);
    const isInOrder = this.#inOrder.length > 1 && placesOf(units, this.#inOrder).length > 0;
    return { tier: isInOrder ? 0 : 1, length: units.length };
  }
}
