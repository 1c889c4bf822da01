import type { ChainedChunk } from '@millrace/archive';
import { sequenceId, type ConversationId, type Generation, type SequenceId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { keptFrom, spansOf, type GenerationSpan, type Position, type TimelineEntry } from '@millrace/timeline';
import type { KeptTiers } from '../conversation/commands.ts';
import { isErased } from '../erase/tombstone.ts';
import type { ErasedAuthors } from '../revise/revision.ts';

/** Where a chain is broken, and how. */
export interface ChainBreak extends GenerationSpan {
  readonly why: string;
}

/** A position in a chain, and the link of all that is up to it, as 64 hexadecimal digits. */
export interface ChainMark extends Position {
  readonly link: string;
}

/** A page of what the chain of a conversation came to. Whoever asks puts pages together. */
export interface ChainCheck {
  readonly conversation: ConversationId;
  /** Archived entries that this page is about, and those of them that were erased. */
  readonly entries: number;
  readonly erased: number;
  /** Those that were archived before there was a chain: nothing binds them. */
  readonly unbound: number;
  readonly broken: readonly ChainBreak[];
  /** Behind each chunk: what may be kept elsewhere, and looked for another time. */
  readonly marks: readonly ChainMark[];
  /** Entries that are not archived yet, so that nothing binds them; null but on the last page. */
  readonly hot: number | null;
  /** Null on the last page. */
  readonly next: string | null;
}

const lengthOf = ({ first, last }: GenerationSpan): number => last - first + 1;

/** What the chunks of a page come to, by themselves. */
export function checkOf(chunks: readonly ChainedChunk[]): Omit<ChainCheck, 'conversation' | 'hot' | 'next'> {
  const unbound = chunks.filter(({ link, fault }) => link === null && fault === null);
  return {
    entries: chunks.reduce((sum, chunk) => sum + lengthOf(chunk), 0),
    erased: chunks.reduce((sum, { erased }) => sum + erased.length, 0),
    unbound: unbound.reduce((sum, chunk) => sum + lengthOf(chunk), 0),
    broken: chunks.flatMap(({ gen, first, last, fault }) => (fault === null ? [] : [{ gen, first, last, why: fault }])),
    marks: chunks.flatMap(({ gen, last, link }) => (link === null ? [] : [{ gen, seq: last, link }])),
  };
}

/** What of a conversation left Redis, by what its head and its mark say, and is not archived. */
export function missingOf({ head, archivedTo }: KeptTiers, archived: readonly GenerationSpan[]): readonly ChainBreak[] {
  return spansOf(head).flatMap(({ gen, first, last }): readonly ChainBreak[] => {
    const to = Math.min(last, archivedTo);
    if (to < first) return [];
    const why = 'it left Redis, and is not in the archive';
    const held = archived.find((span) => span.gen === gen && span.last >= first && span.first <= to);
    if (held === undefined) return [{ gen, first, last: sequenceId(to), why }];
    return [
      ...(held.first > first ? [{ gen, first, last: sequenceId(held.first - 1), why }] : []),
      ...(held.last < to ? [{ gen, first: sequenceId(held.last + 1), last: sequenceId(to), why }] : []),
    ];
  });
}

/**
 * Whether something stands in the place of an entry though nobody has asked for that: neither is its author erased, nor is it
 * too old to be kept. Whoever can write the archive could make a message go so that the chain holds.
 *
 * @param entry - one that the archive has as erased.
 */
export function isUnasked({ seq, data }: TimelineEntry, { head }: KeptTiers, authors: ErasedAuthors): boolean {
  // Also of a generation that has lost its end: what is not in the Timeline any more is shown to nobody.
  if (seq < keptFrom(head)) return false;
  return data.length === 0 || !isErased(authors, decodeEntry(data), seq);
}

/** The cursor of a page: where the one before it ended. */
export const encodeChainCursor = ({ gen, seq }: Position): string => `${String(gen)}-${String(seq)}`;

/** Null for what is none. */
export function decodeChainCursor(text: string): Position | null {
  const [, gen, seq] = /^([1-9]\d{0,15})-(\d{1,16})$/.exec(text) ?? [];
  const [one, other] = [Number(gen), Number(seq)];
  if (!Number.isSafeInteger(one) || !Number.isSafeInteger(other)) return null;
  return { gen: one as Generation, seq: other as SequenceId };
}
