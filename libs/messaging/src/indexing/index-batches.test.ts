import { err, generation, partitionId } from '@millrace/kernel';
import type { IndexVersion, SearchUnavailable } from '@millrace/search';
import { MemorySearch } from '@millrace/search/testing';
import { describe, expect, it } from 'vitest';
import { aDocument } from '../testing/a-document.ts';
import { noFieldRules } from './field-rules.ts';
import { IndexBatches, IndexUnavailable, Interrupted, type IndexBatchesParts } from './index-batches.ts';
import type { IndexCursor } from './index-cursor.ts';

const at = (commitNo: number): IndexCursor => ({ phase: 'followed', gen: generation(1), commitNo });

/** What feeds a version of the index, of which only the cursor matters here. */
const batchesOf = (index: MemorySearch, into: IndexVersion): IndexBatches =>
  new IndexBatches({
    ...{ partition: partitionId(0), index, into, rules: noFieldRules, insist: (ask) => ask() },
    ...{ log: { info: () => undefined, warn: () => undefined, error: () => undefined } },
    indexed: () => undefined,
    setAside: () => undefined,
  } as Partial<IndexBatchesParts> as IndexBatchesParts);

describe('two versions of an index', () => {
  it('are told apart by their cursors where they stand at the same commit: nothing is left out of the one that stays (X2)', async () => {
    const index = new MemorySearch();
    const live = batchesOf(index, 'live');
    await live.cursor();
    await live.flush(at(3));
    await index.beginRebuild();
    const next = batchesOf(index, 'next');
    expect(await next.cursor()).toBeNull();
    await next.flush(at(3));
    expect(await next.cursor()).toEqual(at(3));

    // The first part of what comes behind commit 3 is in the version that goes.
    const stored = await index.cursor(partitionId(0));
    if (!stored.ok || stored.value === null) throw new Error('it has one');
    const part = { partition: partitionId(0), after: stored.value, cursor: stored.value, through: [] };
    expect((await index.apply({ ...part, changes: [{ kind: 'put', document: aDocument(4) }] })).ok).toBe(true);
    await index.finishRebuild();
    await expect(live.flush(at(4))).rejects.toThrow(Interrupted);
    expect(await live.cursor()).toEqual(at(3));
    await live.flush(at(4));

    await index.beginRebuild();
    const third = batchesOf(index, 'next');
    await third.cursor();
    await third.flush(at(4));
    const cursors = await Promise.all((['live', 'next'] as const).map((of) => index.cursor(partitionId(0), of)));
    expect(cursors).toEqual([
      { ok: true, value: '1-4@1' },
      { ok: true, value: '1-4@2' },
    ]);
  });
});

describe('a version that was begun anew', () => {
  it('is noticed by who had fed the one before, also where the index could not be asked at first (X2)', async () => {
    const index = new MemorySearch();
    await index.beginRebuild();
    const next = batchesOf(index, 'next');
    await next.cursor();
    await next.flush(at(3));
    await index.beginRebuild();
    const cursor = index.cursor.bind(index);
    index.cursor = () => Promise.resolve(err({ code: 'unavailable', message: 'away' } as SearchUnavailable));
    await expect(next.lookAgain()).rejects.toThrow(IndexUnavailable);
    index.cursor = cursor;
    await expect(next.cursor()).rejects.toThrow(Interrupted);
    expect(await next.cursor()).toBeNull();
  });
});
