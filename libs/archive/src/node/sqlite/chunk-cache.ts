import { invariant, sequenceId, type ConversationId, type Generation } from '@millrace/kernel';
import type { GenerationSpan, RangeQuery } from '@millrace/timeline';
import { LRUCache } from 'lru-cache';
import { planRead } from '../../read-plan.ts';
import { holding, type PlannedRows, type StoredRow } from '../stored-rows.ts';

/** Seqs whose rows are kept together: those of one number of so many each. */
const BLOCK_ENTRIES = 50;
/** What is kept takes beside a row's bytes, about: of itself, and of a row or a span in it. */
const KEPT_BYTES = 400;
const ROW_BYTES = 250;
const SPAN_BYTES = 100;

/** Rows that hold a span of one generation, in order. */
export interface HeldRows extends GenerationSpan {
  readonly rows: readonly StoredRow[];
}

/** What a thread has found: all that is archived of a conversation, and some of its rows. */
export interface FoundRows {
  readonly spans: readonly GenerationSpan[];
  readonly held: readonly HeldRows[];
}

/** A read of the file that is under way. */
export interface Reading {
  readonly conversation: ConversationId;
  /** Whether a write has ended since, and what it may have changed. */
  isStale: boolean;
  areSpansStale: boolean;
}

/** What a write may have changed: where conversations end, or anything of one. */
export type Touched =
  | { readonly kind: 'ends'; readonly conversations: ReadonlySet<ConversationId> }
  | { readonly kind: 'all'; readonly conversation: ConversationId };

type Kept = { readonly conversation: ConversationId } & (
  | { readonly kind: 'spans'; readonly spans: readonly GenerationSpan[] }
  | {
      readonly kind: 'block';
      readonly rows: readonly StoredRow[];
      /** Up to which seq of the block it holds all that is archived. */
      readonly last: number;
    }
);

function bytesOf(kept: Kept): number {
  if (kept.kind === 'spans') return KEPT_BYTES + kept.spans.length * SPAN_BYTES;
  return kept.rows.reduce((sum, { bytes }) => sum + bytes.length + ROW_BYTES, KEPT_BYTES);
}

const blockOf = (seq: number): number => Math.floor((seq - 1) / BLOCK_ENTRIES);

/** No conversation id holds a space, so that none is the name of a block. */
const nameOf = (conversation: ConversationId, gen: Generation, block: number): string =>
  `${conversation} ${String(gen)} ${String(block)}`;

/**
 * Rows of an archive file that were read lately, as they are stored, and which spans their conversations have. One process has
 * the file, and every write of it is told here; a row is written once, and then changed by an erasure, a trim or a drop alone.
 *
 * (K1) A write that was confirmed is in every page of a read that begins after it. At its end, what it may have changed is let go
 *      of; a reading that was begun before that end, and may have looked at the file before the write, fills nothing of it. One
 *      that begins later sees the write, for the file has it by then.
 * (K2) A write without an answer may still happen, and nobody is told when. The thread that writes answers in order, so the
 *      answer to a later write says that the earlier one is over; until then nothing is kept of any conversation.
 * (K3) What is kept is bounded by bytes (I9). What is known of a conversation beside goes with the last of it that is kept.
 */
export class ChunkCache {
  readonly #kept: LRUCache<string, Kept>;
  /** Of each conversation, the names of what is kept of it. */
  readonly #names = new Map<ConversationId, Set<string>>();
  readonly #readings = new Set<Reading>();
  #writes = 0;
  /** The last write that has no answer; 0 when a later one has. */
  #unanswered = 0;

  constructor(bytesMax: number) {
    this.#kept = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: bytesOf,
      dispose: ({ conversation }, name) => {
        const names = this.#names.get(conversation);
        names?.delete(name);
        if (names?.size === 0) this.#names.delete(conversation);
      },
    });
  }

  /** What is kept, for those who watch bounds. */
  get size(): { readonly bytes: number; readonly conversations: number } {
    return { bytes: this.#kept.calculatedSize, conversations: this.#names.size };
  }

  /** The rows of the planned spans of a query; null when not all of them are here. */
  rowsOf(conversation: ConversationId, query: RangeQuery): readonly PlannedRows[] | null {
    const known = this.#kept.peek(conversation);
    if (known?.kind !== 'spans') return null;
    const parts: PlannedRows[] = [];
    for (const span of planRead(known.spans, query)) {
      const archived = known.spans.find(({ gen }) => gen === span.gen);
      invariant(archived !== undefined, 'a read is planned over what is archived');
      const rows = this.#rowsOf(conversation, span);
      if (rows === null) return null;
      parts.push({ archived, span, rows });
    }
    // Behind its blocks, which are of no use without it.
    this.#kept.get(conversation);
    return parts;
  }

  #rowsOf(conversation: ConversationId, span: GenerationSpan): readonly StoredRow[] | null {
    const { gen, first, last } = span;
    const rows: StoredRow[] = [];
    for (let block = blockOf(first); block <= blockOf(last); block += 1) {
      const kept = this.#kept.get(nameOf(conversation, gen, block));
      if (kept?.kind !== 'block' || kept.last < Math.min(last, (block + 1) * BLOCK_ENTRIES)) return null;
      // A row that goes on into the next block is in both.
      for (const row of kept.rows) if (row.first > (rows.at(-1)?.first ?? 0)) rows.push(row);
    }
    return holding(rows, span);
  }

  /** A read of the file begins. It ends with {@link read}, whatever comes of it. */
  reading(conversation: ConversationId): Reading {
    const isStale = this.#unanswered > 0;
    const reading = { conversation, isStale, areSpansStale: isStale };
    this.#readings.add(reading);
    return reading;
  }

  /** @param found - what is to be kept of it; null for nothing. */
  read(reading: Reading, found: FoundRows | null): void {
    this.#readings.delete(reading);
    if (found === null || reading.isStale) return;
    const { conversation } = reading;
    for (const held of found.held) {
      const archived = found.spans.find(({ gen }) => gen === held.gen);
      if (archived !== undefined) this.#keepBlocks(conversation, archived, held);
    }
    if (!reading.areSpansStale) this.#keep(conversation, { conversation, kind: 'spans', spans: found.spans });
  }

  /** Those blocks of which rows hold all that is archived. */
  #keepBlocks(conversation: ConversationId, archived: GenerationSpan, { gen, first, last, rows }: HeldRows): void {
    for (let block = blockOf(first); block <= blockOf(last); block += 1) {
      const low = sequenceId(Math.max(archived.first, block * BLOCK_ENTRIES + 1));
      const high = sequenceId(Math.min(archived.last, (block + 1) * BLOCK_ENTRIES));
      if (low < first || high > last) continue;
      const ofBlock = holding(rows, { gen, first: low, last: high });
      this.#keep(nameOf(conversation, gen, block), { conversation, kind: 'block', rows: ofBlock, last: high });
    }
  }

  #keep(name: string, kept: Kept): void {
    this.#kept.set(name, kept);
    // One that is larger than all that may be kept is not.
    if (!this.#kept.has(name)) return;
    const names = this.#names.get(kept.conversation);
    if (names === undefined) this.#names.set(kept.conversation, new Set([name]));
    else names.add(name);
  }

  /** A write begins. @returns its number, which it ends with. */
  writing(): number {
    this.#writes += 1;
    return this.#writes;
  }

  /** A write has ended, whatever came of it. @param isAnswered - whether the thread has said that it is over. */
  written(number: number, isAnswered: boolean, touched: Touched): void {
    if (!isAnswered) {
      this.#unanswered = Math.max(this.#unanswered, number);
      this.#clear();
      return;
    }
    if (number > this.#unanswered) this.#unanswered = 0;
    if (touched.kind === 'all') {
      this.forget(touched.conversation);
      return;
    }
    for (const conversation of touched.conversations) this.#kept.delete(conversation);
    for (const reading of this.#readings)
      if (touched.conversations.has(reading.conversation)) reading.areSpansStale = true;
  }

  /** What is kept of a conversation is let go of, and what is read of it now is not kept. */
  forget(conversation: ConversationId): void {
    for (const name of [...(this.#names.get(conversation) ?? [])]) this.#kept.delete(name);
    for (const reading of this.#readings) if (reading.conversation === conversation) reading.isStale = true;
  }

  /** Nothing is kept from now on. */
  close(): void {
    this.#unanswered = Infinity;
    this.#clear();
  }

  #clear(): void {
    this.#kept.clear();
    for (const reading of this.#readings) reading.isStale = true;
  }
}
