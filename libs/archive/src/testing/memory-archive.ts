import {
  err,
  ok,
  seededRandom,
  sequenceId,
  type ConversationId,
  type Generation,
  type Random,
  type Result,
} from '@millrace/kernel';
import type { GenerationSpan, Position, RangeQuery, TimelineEntry } from '@millrace/timeline';
import { conflict, hole, late, unavailable, type ArchiveUnavailable, type ChunkDamaged } from '../archive-errors.ts';
import type {
  AppendOutcome,
  ArchiveChunk,
  ArchiveHealth,
  ArchiveStats,
  ArchiveStore,
  Erased,
  Erasure,
} from '../archive-store.ts';
import { sameBytes } from '../archived-chunk.ts';
import { checkChainLimit, checkChunks, checkErasures, checkLimit } from '../bounds.ts';
import { continuedFrom, NO_LINK, type ChainedChunk, type ChainPage } from '../chain.ts';
import { blinded, linkOf } from '../node/chain/seal.ts';

/** One generation as the model has it: entry by entry, in rising seq, and where a chunk begins. */
interface ModelEntry {
  readonly seq: number;
  readonly beginsChunk: boolean;
  /** What it stands for in the chain, for ever. */
  readonly leaf: Uint8Array;
  /** Of its chunk. */
  readonly before: Uint8Array;
  data: Uint8Array;
  erased: boolean;
}

type ModelConversation = Map<Generation, ModelEntry[]>;

/** What outlives the nodes that open the archive in memory: hand the same one to each {@link MemoryArchive}. */
export class MemoryArchiveDisk {
  readonly identity: string;
  readonly conversations = new Map<ConversationId, ModelConversation>();
  /** While true, every call is answered `unavailable` and changes nothing. */
  isDown = false;

  constructor(random: Random = seededRandom(1)) {
    this.identity = random.id();
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const spanOf = (gen: Generation, entries: readonly ModelEntry[]): GenerationSpan => ({
  gen,
  first: sequenceId(entries[0]?.seq ?? 1),
  last: sequenceId(entries.at(-1)?.seq ?? 0),
});

/**
 * An archive in memory, for simulations, and the model that the stores on disk are held against: it does everything
 * entry by entry and shares no decision with them.
 */
export class MemoryArchive implements ArchiveStore {
  readonly #disk: MemoryArchiveDisk;
  #isClosed = false;

  constructor(disk: MemoryArchiveDisk = new MemoryArchiveDisk()) {
    this.#disk = disk;
  }

  async append(chunks: readonly ArchiveChunk[]): Promise<Result<readonly AppendOutcome[], ArchiveUnavailable>> {
    checkChunks(chunks);
    return this.#answer(() => chunks.map((chunk) => this.#appendOne(chunk)));
  }

  #appendOne(chunk: ArchiveChunk): AppendOutcome {
    const conversation = this.#disk.conversations.get(chunk.conversation) ?? new Map<Generation, ModelEntry[]>();
    const archived = conversation.get(chunk.gen) ?? [];
    const last = archived.at(-1)?.seq;
    const newest = this.#generations(chunk.conversation).at(-1);
    if (newest !== undefined && newest[0] > chunk.gen && chunk.first > (last ?? 0))
      return err(late(chunk, spanOf(...newest)));
    if (last === undefined || chunk.first === last + 1) {
      const { leaves } = blinded(chunk);
      const end = archived.at(-1);
      const before =
        end === undefined ? this.#continuedLink(chunk) : this.#linkUpTo(chunk.conversation, chunk.gen, end.seq);
      const added = chunk.entries.map((data, index) => ({
        seq: chunk.first + index,
        beginsChunk: index === 0,
        leaf: leaves[index] ?? NO_LINK,
        before,
        data: data.slice(),
        erased: false,
      }));
      this.#disk.conversations.set(chunk.conversation, conversation.set(chunk.gen, [...archived, ...added]));
      return ok('stored');
    }
    const span = spanOf(chunk.gen, archived);
    if (chunk.first > last) return err(hole(chunk, span));
    const begin = archived.findIndex(({ seq, beginsChunk }) => beginsChunk && seq === chunk.first);
    if (begin < 0) return err(conflict(chunk, span));
    const next = archived.findIndex(({ beginsChunk }, index) => beginsChunk && index > begin);
    const there = archived.slice(begin, next < 0 ? undefined : next);
    const isSame =
      there.length === chunk.entries.length &&
      there.every(({ data, erased }, index) => erased || sameBytes(data, chunk.entries[index] ?? new Uint8Array()));
    return isSame ? ok('already') : err(conflict(chunk, span));
  }

  async read(
    conversation: ConversationId,
    { from, to, limit, direction }: RangeQuery,
  ): Promise<Result<readonly TimelineEntry[], ChunkDamaged | ArchiveUnavailable>> {
    checkLimit(limit);
    return this.#answer(() => {
      const all: TimelineEntry[] = this.#generations(conversation).flatMap(([gen, entries]) =>
        entries.map(({ seq, data }) => ({ gen, seq: sequenceId(seq), data: data.slice() })),
      );
      const isWithin = ({ gen, seq }: Position): boolean =>
        (gen > from.gen || (gen === from.gen && seq >= from.seq)) &&
        (gen < to.gen || (gen === to.gen && seq <= to.seq));
      const found = all.filter(isWithin);
      return (direction === 'forward' ? found : found.reverse()).slice(0, limit);
    });
  }

  async at(
    conversation: ConversationId,
    position: Position,
  ): Promise<Result<TimelineEntry | null, ChunkDamaged | ArchiveUnavailable>> {
    const read = await this.read(conversation, { from: position, to: position, limit: 1, direction: 'forward' });
    return read.ok ? ok(read.value[0] ?? null) : read;
  }

  async extent(conversation: ConversationId): Promise<Result<readonly GenerationSpan[], ArchiveUnavailable>> {
    return this.#answer(() => this.#generations(conversation).map(([gen, entries]) => spanOf(gen, entries)));
  }

  async erase(
    conversation: ConversationId,
    erasures: readonly Erasure[],
  ): Promise<Result<Erased, ChunkDamaged | ArchiveUnavailable>> {
    checkErasures(erasures);
    return this.#answer(() => {
      const touched = new Set<ModelEntry>();
      const missing: Position[] = [];
      for (const { gen, seq, tombstones } of erasures) {
        const entries = this.#disk.conversations.get(conversation)?.get(gen) ?? [];
        tombstones.forEach((tombstone, index) => {
          const entry = entries.find((candidate) => candidate.seq === seq + index);
          if (entry === undefined) missing.push({ gen, seq: sequenceId(seq + index) });
          else {
            entry.data = tombstone.slice();
            entry.erased = true;
            touched.add(entry);
          }
        });
      }
      return { entries: touched.size, missing: missing.map(({ gen, seq }) => ({ gen, first: seq, last: seq })) };
    });
  }

  async chain(
    conversation: ConversationId,
    after: Position | null,
    limit: number,
  ): Promise<Result<ChainPage, ArchiveUnavailable>> {
    checkChainLimit(limit);
    return this.#answer(() => {
      const all = this.#generations(conversation).flatMap(([gen, entries]) =>
        entries
          .filter(({ beginsChunk }) => beginsChunk)
          .map(({ seq }) => this.#chained(conversation, gen, entries, seq)),
      );
      const behind = all.filter(
        ({ gen, last }) => after === null || gen > after.gen || (gen === after.gen && last > after.seq),
      );
      const chunks = behind.slice(0, limit);
      const last = chunks.at(-1);
      return { chunks, next: last === undefined || behind.length <= limit ? null : { gen: last.gen, seq: last.last } };
    });
  }

  /** Nothing of it changes by itself here. */
  #chained(conversation: ConversationId, gen: Generation, entries: readonly ModelEntry[], first: number): ChainedChunk {
    const begin = entries.findIndex(({ seq }) => seq === first);
    const next = entries.findIndex(({ beginsChunk }, index) => beginsChunk && index > begin);
    const chunk = entries.slice(begin, next < 0 ? undefined : next);
    const last = sequenceId(chunk.at(-1)?.seq ?? first);
    return {
      ...{ gen, first: sequenceId(first), last, fault: null },
      before: hexOf(chunk[0]?.before ?? NO_LINK),
      link: hexOf(this.#linkUpTo(conversation, gen, last)),
      erased: chunk.filter(({ erased }) => erased).map(({ seq }) => sequenceId(seq)),
    };
  }

  #linkUpTo(conversation: ConversationId, gen: Generation, upTo: number): Uint8Array {
    const entries = this.#disk.conversations.get(conversation)?.get(gen) ?? [];
    const begin = entries.findLastIndex(({ seq, beginsChunk }) => beginsChunk && seq <= upTo);
    const chunk = entries.slice(Math.max(0, begin)).filter(({ seq }) => seq <= upTo);
    const key = { conversation, gen, first: sequenceId(chunk[0]?.seq ?? 1) };
    return linkOf(
      chunk[0]?.before ?? NO_LINK,
      key,
      chunk.map(({ leaf }) => leaf),
    );
  }

  #continuedLink({ conversation, gen, first }: ArchiveChunk): Uint8Array {
    const spans = this.#generations(conversation).map(([each, entries]) => spanOf(each, entries));
    const earlier = continuedFrom(spans, { gen, first });
    return earlier === null ? NO_LINK : this.#linkUpTo(conversation, earlier.span.gen, earlier.seq);
  }

  async trim(conversation: ConversationId, before: Position): Promise<Result<void, ArchiveUnavailable>> {
    return this.#answer(() => {
      for (const [gen, entries] of this.#generations(conversation)) {
        const isGone = gen < before.gen || (gen === before.gen && (entries.at(-1)?.seq ?? 0) < before.seq);
        const begin = entries.findLastIndex(({ seq, beginsChunk }) => beginsChunk && seq <= before.seq);
        if (isGone) this.#disk.conversations.get(conversation)?.delete(gen);
        else if (gen === before.gen && begin > 0)
          this.#disk.conversations.get(conversation)?.set(gen, entries.slice(begin));
      }
    });
  }

  async drop(conversation: ConversationId): Promise<Result<void, ArchiveUnavailable>> {
    return this.#answer(() => {
      this.#disk.conversations.delete(conversation);
    });
  }

  async identity(): Promise<Result<string, ArchiveUnavailable>> {
    return this.#answer(() => this.#disk.identity);
  }

  async health(): Promise<Result<ArchiveHealth, ArchiveUnavailable>> {
    return this.#answer(() => ({ writable: true, store: 'memory', pending: 0 }));
  }

  async stats(): Promise<Result<ArchiveStats, ArchiveUnavailable>> {
    return this.#answer(() => {
      const all = [...this.#disk.conversations.values()].flatMap((generations) => [...generations.values()].flat());
      const chunkBytes = all.reduce((sum, { data }) => sum + data.length, 0);
      const chunks = all.filter(({ beginsChunk }) => beginsChunk).length;
      return { chunks, entries: all.length, chunkBytes, diskBytes: chunkBytes };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #generations(conversation: ConversationId): readonly (readonly [Generation, readonly ModelEntry[]])[] {
    const generations = this.#disk.conversations.get(conversation) ?? new Map<Generation, ModelEntry[]>();
    return [...generations].sort(([one], [other]) => one - other);
  }

  #answer<T>(work: () => T): Result<T, ArchiveUnavailable> {
    if (this.#isClosed) return err(unavailable('The archive was closed.', 'Open it again.'));
    if (this.#disk.isDown) return err(unavailable('The archive does not answer.', 'Try again later.'));
    return ok(work());
  }
}
