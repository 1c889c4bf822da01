import { unitsOf, type Unit } from './units.ts';

/** What a query asks of a message's text: all of it. */
export interface Wanted {
  /** Each is one or more units that stand side by side; of a run at an outer end a part is enough. */
  readonly sequences: readonly (readonly Unit[])[];
  /** A word that only begins so. */
  readonly beginning: string | null;
  /** The units of the query in its order: a message that has them side by side fits best. */
  readonly inOrder: readonly Unit[];
}

/** Whether a query can find anything: one of signs alone has no unit. */
export const isEmptyWanted = ({ sequences, beginning }: Wanted): boolean =>
  sequences.length === 0 && beginning === null;

/** @param prefix - whether the last word, unless it is quoted, may be the beginning of one. */
export function wantedOf(text: string, prefix: boolean): Wanted {
  const sequences: (readonly Unit[])[] = [];
  const inOrder: Unit[] = [];
  let beginning: string | null = null;
  // Odd parts are quoted; a quote that is not closed goes to the end.
  const parts = text.replace(/[“”„«»]/gu, '"').split('"');
  for (const [index, part] of parts.entries()) {
    const units = unitsOf(part);
    inOrder.push(...units);
    if (index % 2 === 1) {
      if (units.length > 0) sequences.push(units);
      continue;
    }
    const isLast = index === parts.length - 1;
    for (const [at, unit] of units.entries()) {
      // The pieces of a long word stay together.
      if (unit.joined) {
        sequences.push([...(sequences.pop() ?? []), unit]);
        continue;
      }
      const isTyped = isLast && at === units.length - 1 && unit.kind === 'word' && unit.end === part.length;
      if (prefix && isTyped) beginning = unit.text;
      else sequences.push([unit]);
    }
  }
  return { sequences, beginning, inOrder };
}
