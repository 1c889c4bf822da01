import { generation, invariant, sequenceId, type Generation, type SequenceId } from '@millrace/kernel';

/** A position in a Timeline, compared generation first. */
export interface Position {
  readonly gen: Generation;
  readonly seq: SequenceId;
}

/** The seqs `first..last` of one finished or current generation. `last` is `first - 1` while it is empty. */
export interface GenerationSpan {
  readonly gen: Generation;
  readonly first: SequenceId;
  readonly last: SequenceId;
}

/**
 * Where a Timeline stands. `past` lists the finished generations in order; the current one is `gen`, from
 * `first` to `seq`. An empty Timeline has `seq` 0 and `first` 1. What was {@link cutBefore} is left out of them: a
 * generation of which nothing is kept stays in the list, empty.
 */
export interface TimelineHead extends Position {
  readonly first: SequenceId;
  readonly past: readonly GenerationSpan[];
}

export function emptyHead(gen: Generation): TimelineHead {
  return { gen, seq: sequenceId(0), first: sequenceId(1), past: [] };
}

/** Negative, zero or positive, as for `Array.prototype.sort`; generation first (I6). */
export function comparePositions(left: Position, right: Position): number {
  return left.gen === right.gen ? left.seq - right.seq : left.gen - right.gen;
}

/** The head after `count` more entries. */
export function advanced(head: TimelineHead, count: number): TimelineHead {
  invariant(Number.isSafeInteger(count) && count >= 0, 'a head advances by a whole number of entries');
  const { gen, first, past } = head;
  return { gen, seq: sequenceId(head.seq + count), first, past };
}

/** The head once generation `next` has begun: numbering goes on at the surviving head + 1 (I3). */
export function inGeneration(head: TimelineHead, next: Generation): TimelineHead {
  if (next <= head.gen) return head;
  const past = head.seq === 0 ? [] : [...head.past, { gen: head.gen, first: head.first, last: head.seq }];
  return { gen: next, seq: head.seq, first: sequenceId(head.seq + 1), past };
}

const allSpans = ({ gen, seq, first, past }: TimelineHead): readonly GenerationSpan[] => [
  ...past,
  { gen, first, last: seq },
];

const isHeld = ({ first, last }: GenerationSpan): boolean => first <= last;

/** Every generation that holds entries, in order, with those that are kept of it. */
export const spansOf = (head: TimelineHead): readonly GenerationSpan[] => allSpans(head).filter(isHeld);

/** The same with what was {@link cutBefore}: which seqs were ever numbered in which generation. */
export function numberedSpans(head: TimelineHead): readonly GenerationSpan[] {
  let first = sequenceId(1);
  return allSpans(head)
    .map((span) => {
      const numbered = { ...span, first };
      first = sequenceId(span.last + 1);
      return numbered;
    })
    .filter(isHeld);
}

/** The first entry that is kept, or the one that will be. */
export const keptFrom = (head: TimelineHead): SequenceId =>
  spansOf(head)[0]?.first ?? sequenceId(Math.max(head.first, head.seq + 1));

/** The head once the entries before `first` are gone. Numbers and generations stay as they are (I3). */
export function cutBefore(head: TimelineHead, first: SequenceId): TimelineHead {
  const clipped = (span: Pick<GenerationSpan, 'first' | 'last'>): SequenceId =>
    sequenceId(Math.max(span.first, Math.min(first, span.last + 1)));
  return {
    ...head,
    first: clipped({ first: head.first, last: head.seq }),
    past: head.past.map((span) => ({ ...span, first: clipped(span) })),
  };
}

/** Which generation the entry at `seq` belongs to, or null when there is no such entry, or none any more. */
export function generationOf(head: TimelineHead, seq: SequenceId): Generation | null {
  return spansOf(head).find((span) => seq >= span.first && seq <= span.last)?.gen ?? null;
}

/**
 * Where a reader that has everything up to `cursor` goes on. `regressed` when the cursor is past what its
 * generation ended with: the entries after `from` that it holds were lost, and it reads again behind `from`.
 */
export type CursorStatus =
  { readonly kind: 'valid'; readonly next: SequenceId } | { readonly kind: 'regressed'; readonly from: SequenceId };

export function cursorStatus(head: TimelineHead, cursor: Position): CursorStatus {
  if (cursor.seq === 0) return { kind: 'valid', next: sequenceId(1) };
  const span = allSpans(head).find(({ gen }) => gen === cursor.gen);
  if (span !== undefined && cursor.seq <= span.last) return { kind: 'valid', next: sequenceId(cursor.seq + 1) };
  if (span !== undefined) return { kind: 'regressed', from: span.last };
  // A generation that we know nothing of: newer than ours was rolled back, one between ours held nothing.
  const before = head.past.filter(({ gen }) => gen < cursor.gen).at(-1);
  const last = cursor.gen > head.gen ? head.seq : (before?.last ?? sequenceId(0));
  return cursor.seq <= last ? { kind: 'valid', next: sequenceId(cursor.seq + 1) } : { kind: 'regressed', from: last };
}

/**
 * The text form kept in Redis: `gen-seq`, then `;gen:first:last` for each past generation when there are any.
 * The current generation's `first` follows from the last past one.
 */
export function encodeHead(head: TimelineHead): string {
  let text = `${String(head.gen)}-${String(head.seq)}`;
  if (head.first !== 1 || head.past.length > 0) text += `@${String(head.first)}`;
  for (const { gen, first, last } of head.past) text += `;${String(gen)}:${String(first)}:${String(last)}`;
  return text;
}

/** @throws InvariantViolation when the text was not written by {@link encodeHead}. */
export function decodeHead(text: string): TimelineHead {
  const [current = '', ...spans] = text.split(';');
  const match = /^(\d+)-(\d+)(?:@(\d+))?$/.exec(current);
  invariant(match !== null, `not a Timeline head: ${text}`);
  const past = spans.map((span) => {
    const parts = /^(\d+):(\d+):(\d+)$/.exec(span);
    invariant(parts !== null, `not a Timeline head: ${text}`);
    return {
      gen: generation(Number(parts[1])),
      first: sequenceId(Number(parts[2])),
      last: sequenceId(Number(parts[3])),
    };
  });
  return {
    gen: generation(Number(match[1])),
    seq: sequenceId(Number(match[2])),
    first: sequenceId(Number(match[3] ?? 1)),
    past,
  };
}
