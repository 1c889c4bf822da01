import { sequenceId, type ConversationId } from '@millrace/kernel';
import type { Change } from '@millrace/search';
import { cursorStatus, spansOf, type GenerationSpan, type Position, type TimelineHead } from '@millrace/timeline';

/** Entries of one conversation and generation, first and last included. */
export type Span = GenerationSpan;

/** What is to become of what an index has of a conversation. */
export interface Comparison {
  /** What it has may be of entries that were lost: they, and what they changed, are forgotten first. */
  readonly forgets: boolean;
  /** What it lacks, in rising seq. */
  readonly spans: readonly Span[];
}

/**
 * Holds what an index has of a conversation against its Timeline.
 *
 * An edit or a recall is an entry like any other, but messages are indexed as they stand when they are read: what was changed of
 * them may stand behind all that is indexed. So an index of an older generation may show what nobody has sent any more, or lack
 * what was never taken back, however little was lost.
 *
 * @param through - how far it is indexed; null for nothing.
 */
export function compare(head: TimelineHead, through: Position | null, isAnew: boolean): Comparison {
  const isOfThis = through !== null && !isAnew && through.gen === head.gen;
  const status = isOfThis ? cursorStatus(head, through) : null;
  const forgets = isAnew || (through !== null && status?.kind !== 'valid');
  const next = status?.kind === 'valid' ? status.next : sequenceId(0);
  return { forgets, spans: clipped(spansOf(head), next) };
}

const clipped = (spans: readonly Span[], from: number): readonly Span[] =>
  spans.flatMap(({ gen, first, last }) =>
    last < from ? [] : [{ gen, first: sequenceId(Math.max(first, from)), last }],
  );

/** Of each generation but the first one: what lower ones had from its beginning on is lost. */
export function cutsOf(conversation: ConversationId, head: TimelineHead): readonly Change[] {
  return [...head.past, { gen: head.gen, first: head.first }].flatMap(({ gen, first }): readonly Change[] =>
    gen > 1 ? [{ kind: 'cut', conversation, gen, from: first }] : [],
  );
}

/** The same entries in pieces of at most so many. */
export function* pieces(spans: readonly Span[], entriesMax: number): Generator<Span> {
  for (const { gen, first, last } of spans) {
    for (let from: number = first; from <= last; from += entriesMax) {
      yield { gen, first: sequenceId(from), last: sequenceId(Math.min(last, from + entriesMax - 1)) };
    }
  }
}

/** What of these entries the Timeline still has. */
export function surviving(head: TimelineHead, spans: readonly Span[]): readonly Span[] {
  const held = spansOf(head);
  return spans.flatMap(({ gen, first, last }) => {
    const span = held.find((each) => each.gen === gen);
    if (span === undefined) return [];
    const [from, to] = [Math.max(first, span.first), Math.min(last, span.last)];
    return from > to ? [] : [{ gen, first: sequenceId(from), last: sequenceId(to) }];
  });
}
