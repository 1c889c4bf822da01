import { sequenceId, type ConversationId } from '@millrace/kernel';
import type { GenerationSpan, Position } from '@millrace/timeline';
import { lastOf, sameBytes } from '../../archived-chunk.ts';
import { continuedFrom, NO_LINK, type ChainedChunk, type ChainPage } from '../../chain.ts';
import { decodeChunk } from '../chunk-codec.ts';
import type { StoredRow } from '../stored-rows.ts';
import { faultOf, linkUpTo } from './seal.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The record of a generation, with the link of its last chunk; null while that one has none. */
export interface LinkedSpan extends GenerationSpan {
  readonly link: Uint8Array | null;
}

/** Chunks that a store is asked for: at most `limit`, in order, from the one that holds `seq` on. */
export interface RowsAsked<Span extends LinkedSpan> {
  readonly span: Span;
  readonly seq: number;
  readonly limit: number;
}

/**
 * The link up to an entry as it is stored; {@link NO_LINK} where that cannot be told, so that the chain begins anew.
 *
 * @param row - the chunk that holds it.
 */
export function linkInRow(
  conversation: ConversationId,
  { gen, seq }: Position,
  row: StoredRow | undefined,
): Uint8Array {
  if (row === undefined) return NO_LINK;
  const chunk = decodeChunk({ conversation, gen, first: sequenceId(row.first) }, row.bytes);
  if (!chunk.ok || chunk.value.seal === null || row.first > seq || lastOf(chunk.value) < seq) return NO_LINK;
  return linkUpTo(chunk.value, chunk.value.seal, seq);
}

/**
 * Goes through a chain, and asks for the chunks that it needs: whoever runs it answers each question.
 *
 * @param spans - all that is archived of the conversation, lowest generation first, of the same moment as the chunks.
 * @param after - the last entry that was looked at before; null to begin.
 * @param limit - chunks of the page.
 */
export function* chainPage<Span extends LinkedSpan>(
  conversation: ConversationId,
  spans: readonly Span[],
  after: Position | null,
  limit: number,
): Generator<RowsAsked<Span>, ChainPage, readonly StoredRow[]> {
  const chunks: ChainedChunk[] = [];
  for (const span of spans) {
    if (after !== null && (span.gen < after.gen || (span.gen === after.gen && span.last <= after.seq))) continue;
    const seen = after?.gen === span.gen ? Math.max(after.seq, span.first - 1) : span.first - 1;
    const room = limit - chunks.length;
    // Besides those of the page the one before them, and the one that tells where the last of them must end.
    const asked = room + 2;
    const rows = yield { span, seq: Math.max(seen, span.first), limit: asked };
    const earlier = seen < span.first ? continuedFrom(spans, span) : null;
    const continues =
      earlier === null
        ? null
        : linkInRow(conversation, { gen: earlier.span.gen, seq: earlier.seq }, (yield { ...earlier, limit: 1 })[0]);
    const isLast = rows.length < asked;
    const judged = judgeSpan({ conversation, span, seen, rows, isLast, continues });
    chunks.push(...judged.slice(0, room));
    const last = chunks.at(-1);
    const isMore = !isLast || judged.length > room || (chunks.length >= limit && span !== spans.at(-1));
    if (isMore && last !== undefined && chunks.length >= limit)
      return { chunks, next: { gen: last.gen, seq: last.last } };
  }
  return { chunks, next: null };
}

interface SpanPart {
  readonly conversation: ConversationId;
  readonly span: LinkedSpan;
  /** Entries up to this one were looked at before. */
  readonly seen: number;
  /** In order, from the chunk on that ends there. */
  readonly rows: readonly StoredRow[];
  /** Nothing of the generation comes behind them. */
  readonly isLast: boolean;
  /** The link of where the Timeline stood when the generation began; null when that is not archived any more. */
  readonly continues: Uint8Array | null;
}

const NO_CHUNK = 'no chunk is there any more';

/** Judges the chunks of one generation behind those that were looked at before. */
function judgeSpan({ conversation, span, seen, rows, isLast, continues }: SpanPart): readonly ChainedChunk[] {
  const { gen } = span;
  const judged: ChainedChunk[] = [];
  let end = seen;
  /** What the next chunk may say that stands before it; null where anything goes. */
  let expected = continues;
  let isAnySealed = false;
  const tell = (first: number, last: number, more: Partial<ChainedChunk>): void => {
    const none = { before: null, link: null, erased: [], fault: null };
    if (last > seen) judged.push({ gen, first: sequenceId(first), last: sequenceId(last), ...none, ...more });
  };
  for (const [index, row] of rows.entries()) {
    const first = sequenceId(row.first);
    if (first > end + 1) {
      tell(end + 1, first - 1, { fault: NO_CHUNK });
      expected = null;
    }
    const decoded = decodeChunk({ conversation, gen, first }, row.bytes);
    const next = rows[index + 1]?.first ?? (isLast ? span.last + 1 : null);
    if (!decoded.ok) {
      end = Math.max(first, (next ?? first + 1) - 1);
      tell(first, end, { fault: decoded.error.message });
      expected = null;
      continue;
    }
    const chunk = decoded.value;
    const { seal } = chunk;
    end = lastOf(chunk);
    const erased = chunk.erased.map((offset) => sequenceId(first + offset));
    const overlap = next !== null && end >= next ? 'it goes on where another one stands' : null;
    if (seal === null) {
      const fault = overlap ?? (isAnySealed ? 'it is bound to nothing, and the chunks before it are' : null);
      tell(first, end, { erased, fault });
      expected = NO_LINK;
      continue;
    }
    isAnySealed = true;
    // A generation may begin anew: what was before it was not archived yet.
    const isAnew = first === span.first && sameBytes(seal.before, NO_LINK);
    const isBehind = expected === null || isAnew || sameBytes(seal.before, expected);
    const fault = overlap ?? faultOf(chunk, seal) ?? (isBehind ? null : 'it does not follow on what stands before it');
    tell(first, end, { before: hexOf(seal.before), link: hexOf(seal.link), erased, fault });
    expected = seal.link;
  }
  return isLast ? closed(judged, span, end, expected) : judged;
}

/** Behind the last chunk of a generation: everything that its record tells of was there. */
function closed(
  judged: readonly ChainedChunk[],
  { gen, last, link }: LinkedSpan,
  end: number,
  expected: Uint8Array | null,
): readonly ChainedChunk[] {
  if (end < last) {
    const missing = { before: null, link: null, erased: [], fault: NO_CHUNK };
    return [...judged, { gen, first: sequenceId(end + 1), last, ...missing }];
  }
  const latest = judged.at(-1);
  if (latest === undefined || latest.fault !== null || expected === null) return judged;
  if (sameBytes(expected, link ?? NO_LINK)) return judged;
  const fault = 'it is not the chunk that was archived last';
  return [...judged.slice(0, -1), { ...latest, fault }];
}
