import { describeArchiveError, type ArchiveStore, type ChainedChunk } from '@millrace/archive';
import { err, ok, sequenceId, type ConversationId, type Result } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, StoreUnavailable } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { KeptTiers } from '../conversation/commands.ts';
import type { CurrentReads } from '../revise/current.ts';
import { readChanges } from '../revise/read-revisions.ts';
import { positionsOf, readDense } from '../sync/read-messages.ts';
import {
  checkOf,
  decodeChainCursor,
  encodeChainCursor,
  isUnasked,
  missingOf,
  type ChainBreak,
  type ChainCheck,
} from './chain-check.ts';

/** Chunks of one page: some tens of milliseconds of hashing. */
const CHUNKS = 200;
const HOT_PAGE = 500;

export interface ChainChecksParts {
  readonly calls: Pick<ActorCalls, 'conversation' | 'partitionOf'>;
  readonly reads: CurrentReads;
  /** Null where everything stays hot. */
  readonly archive: Pick<ArchiveStore, 'chain' | 'extent' | 'read'> | null;
}

/** Says whether what is stored of conversations is what was archived, and where it is not. */
export class ChainChecks {
  readonly #parts: ChainChecksParts;

  constructor(parts: ChainChecksParts) {
    this.#parts = parts;
  }

  /** @param cursor - `next` of the page before; null to begin. */
  async check(conversation: ConversationId, cursor: string | null): Promise<Result<ChainCheck, FrameError>> {
    const { archive, calls } = this.#parts;
    if (archive === null) {
      const message = 'nothing is archived here (MILLRACE_ARCHIVE), and entries are bound to each other in the archive';
      return err(frameError('conflict', message));
    }
    const after = cursor === null ? null : decodeChainCursor(cursor);
    if (cursor !== null && after === null)
      return err(frameError('bad_request', 'the cursor is none that this server gave: begin again'));
    try {
      const before = await calls.conversation(conversation, { t: 'tiers' });
      if (!before.ok) return before;
      const page = await archive.chain(conversation, after, CHUNKS);
      if (!page.ok) return err(frameError('unavailable', describeArchiveError(page.error)));
      const { chunks, next } = page.value;
      const check = checkOf(chunks);
      const unasked = await this.#unasked(archive, conversation, chunks);
      if (!unasked.ok) return unasked;
      const broken = [...check.broken, ...unasked.value];
      if (next !== null) {
        return ok({ ...check, conversation, broken, hot: null, next: encodeChainCursor(next) });
      }
      const rest = await this.#rest(archive, conversation, before.value);
      if (!rest.ok) return rest;
      const { hot, missing } = rest.value;
      return ok({ ...check, conversation, broken: [...broken, ...missing], hot, next: null });
    } catch (error) {
      if (error instanceof StoreUnavailable) return err(frameError('unavailable', error.message));
      throw error;
    }
  }

  /** Tombstones of the chunks that nobody has asked for. */
  async #unasked(
    archive: NonNullable<ChainChecksParts['archive']>,
    conversation: ConversationId,
    chunks: readonly ChainedChunk[],
  ): Promise<Result<readonly ChainBreak[], FrameError>> {
    const { calls, reads } = this.#parts;
    const found: ChainBreak[] = [];
    const concerned = chunks.filter(({ erased, fault }) => erased.length > 0 && fault === null);
    if (concerned.length === 0) return ok(found);
    // Behind the chunks: an erasure is committed before the archive writes over what it names.
    const { erased: authors } = await readChanges(
      { records: reads.records, partitionOf: (key) => calls.partitionOf(key) },
      conversation,
    );
    const tiers = await calls.conversation(conversation, { t: 'tiers' });
    if (!tiers.ok) return tiers;
    for (const { gen, first, last, erased } of concerned) {
      const [from, to] = [first, last].map((seq) => ({ gen, seq }));
      if (from === undefined || to === undefined) continue;
      const limit = last - first + 1;
      const read = await archive.read(conversation, { from, to, limit, direction: 'forward' });
      // Damaged by now, or trimmed meanwhile: the next look tells.
      if (!read.ok) return err(frameError('unavailable', describeArchiveError(read.error)));
      const gone = new Set(erased);
      for (const entry of read.value) {
        if (!gone.has(entry.seq) || !isUnasked(entry, tiers.value, authors)) continue;
        const why = 'it was erased, and nobody has asked for that';
        found.push({ gen, first: entry.seq, last: entry.seq, why });
      }
    }
    return ok(found);
  }

  /** What is not archived: by right, or not. The hot entries are read, so that one that is missing there is told, too. */
  async #rest(
    archive: NonNullable<ChainChecksParts['archive']>,
    conversation: ConversationId,
    tiers: KeptTiers,
  ): Promise<Result<{ readonly hot: number; readonly missing: readonly ChainBreak[] }, FrameError>> {
    const { calls, reads } = this.#parts;
    const extent = await archive.extent(conversation);
    if (!extent.ok) return err(frameError('unavailable', describeArchiveError(extent.error)));
    const { head, archivedTo } = tiers;
    const actor = conversationKey(conversation);
    const place = { partition: calls.partitionOf(actor), actor };
    for (let from = archivedTo + 1; from <= head.seq; from += HOT_PAGE) {
      const to = sequenceId(Math.min(head.seq, from + HOT_PAGE - 1));
      await readDense(reads.timelines, place, positionsOf(head, { from: sequenceId(from), to }), 'forward');
    }
    return ok({ hot: head.seq - archivedTo, missing: missingOf(tiers, extent.value) });
  }
}
