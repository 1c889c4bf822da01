import { InvariantViolation, ok, sequenceId, type ConversationId, type Result } from '@millrace/kernel';
import type { FileName } from '@millrace/sqlite-file';
import type { GenerationSpan, Position, RangeQuery, TimelineEntry } from '@millrace/timeline';
import type { ChunkDamaged } from '../../archive-errors.ts';
import type { ChainPage } from '../../chain.ts';
import type {
  AppendOutcome,
  ArchiveChunk,
  ArchiveHealth,
  ArchiveStats,
  ChunkKey,
  Erased,
} from '../../archive-store.ts';
import { packEntries, unpackEntries } from '../../packed-entries.ts';
import type { FoundRows } from './chunk-cache.ts';

export const archiveNamed = (path: string): FileName => ({ noun: 'archive', path });

/** Entries on their way between two threads: one piece of memory that changes hands instead of being copied. */
export interface Packed {
  readonly count: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Copies them together: entries may be views into buffers that hold much more, and belong to others. */
export function pack(entries: readonly Uint8Array[]): Packed {
  const packed = packEntries(entries);
  // Its own buffer, without the room that the writer has left over. (`Uint8Array.from` would go byte by byte.)
  return { count: entries.length, bytes: new Uint8Array(packed) };
}

/** @returns views into one buffer that is the receiver's alone. */
export const unpack = ({ count, bytes }: Packed): readonly Uint8Array[] => unpackEntries(bytes, count);

export interface PackedChunk extends ChunkKey {
  readonly packed: Packed;
}

export interface PackedErasure extends Position {
  readonly packed: Packed;
}

/** A page, as spans in the order of its direction, and the entries of all of them in that order. */
export interface PackedPage {
  readonly spans: readonly GenerationSpan[];
  readonly packed: Packed;
}

/** Rows that hold a page and what is around it; or the page, when its rows are many bytes or not sound. */
export type RowsAnswer =
  ({ readonly kind: 'rows' } & FoundRows) | { readonly kind: 'page'; readonly page: Result<PackedPage, ChunkDamaged> };

export const packChunk = ({ conversation, gen, first, entries }: ArchiveChunk): PackedChunk => ({
  conversation,
  gen,
  first,
  packed: pack(entries),
});

function pageOf({ spans, packed }: PackedPage, direction: RangeQuery['direction']): readonly TimelineEntry[] {
  const entries = unpack(packed);
  const page: TimelineEntry[] = [];
  for (const { gen, first, last } of spans) {
    const step = direction === 'forward' ? 1 : -1;
    for (let seq: number = step > 0 ? first : last; seq >= first && seq <= last; seq += step) {
      const data = entries[page.length];
      if (data === undefined) throw new InvariantViolation('a page has an entry for each of its seqs');
      page.push({ gen, seq: sequenceId(seq), data });
    }
  }
  return page;
}

export const unpackedPage = (
  page: Result<PackedPage, ChunkDamaged>,
  direction: RangeQuery['direction'],
): Result<readonly TimelineEntry[], ChunkDamaged> => (page.ok ? ok(pageOf(page.value, direction)) : page);

/** What the threads of an archive file are asked. All of it is done when it returns, and durable. */
export interface FileCalls {
  append(chunks: readonly PackedChunk[]): readonly AppendOutcome[];
  read(conversation: ConversationId, query: RangeQuery): Result<PackedPage, ChunkDamaged>;
  rows(conversation: ConversationId, query: RangeQuery): RowsAnswer;
  extent(conversation: ConversationId): readonly GenerationSpan[];
  erase(conversation: ConversationId, erasures: readonly PackedErasure[]): Result<Erased, ChunkDamaged>;
  chain(conversation: ConversationId, after: Position | null, limit: number): ChainPage;
  trim(conversation: ConversationId, before: Position): void;
  drop(conversation: ConversationId): void;
  identity(): string;
  health(): Pick<ArchiveHealth, 'writable'>;
  stats(): ArchiveStats;
}

/** What a thread is told when it starts. */
export interface ThreadTask {
  readonly path: string;
  /** The writer has the lock and takes what changes something; the reader never waits for it. */
  readonly role: 'writer' | 'reader';
  /** The identity of an archive that is made now. */
  readonly newIdentity: string;
}
