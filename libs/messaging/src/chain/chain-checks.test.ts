import { TieredTimelines, type ArchiveStore } from '@millrace/archive';
import { generation, ok, sequenceId, utf8, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { emptyHead, type GenerationSpan, type TimelineHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { defaultArchiverLimits } from '../archive/archiver.ts';
import { dropBefore, neverHeld } from '../archive/drop-before.ts';
import { roll } from '../archive/roll.ts';
import { encodeErased } from '../revise/revision.ts';
import { eraseArchived } from '../erase/erase-archived.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { decodeChainCursor, encodeChainCursor, missingOf, type ChainCheck } from './chain-check.ts';
import { ChainChecks } from './chain-checks.ts';

const room = 'room' as ConversationId;
const limits = { ...defaultArchiverLimits, hotEntries: 4, chunkEntries: 3, chunksMax: 10 };

function setUp(archiveOf: (archive: ArchiveStore) => Pick<ArchiveStore, 'chain' | 'extent' | 'read'> = (one) => one) {
  const rooms = new SomeRooms();
  const timelines = new TieredTimelines({
    hot: rooms.timelines,
    archive: rooms.archive,
    headOf: (_partition, actor) =>
      Promise.resolve(rooms.rooms.get(actor.slice(2) as ConversationId)?.stored.head ?? null),
    refused: () => undefined,
  });
  const authors = new Map<UserId, { readonly upTo: SequenceId; readonly rev: SequenceId }>();
  const records = {
    fields: () => Promise.resolve(new Map(authors.size === 0 ? [] : [['u', utf8(encodeErased(authors))]])),
  };
  const reads = { timelines, records };
  const checks = new ChainChecks({ calls: rooms.calls, reads, archive: archiveOf(rooms.archive) });
  const rollOnce = () =>
    roll({ archive: rooms.archive, isHeld: neverHeld, timelines, calls: rooms.calls, limits, nowMs: 0 }, [room]);
  const check = async (): Promise<ChainCheck> => {
    const checked = await checks.check(room, null);
    if (!checked.ok) throw new Error(checked.error.message);
    return checked.value;
  };
  return { rooms, checks, check, rollOnce, authors };
}

describe('the check of a chain', () => {
  it('tells what is archived, what was erased by right, and what is hot yet', async () => {
    const { rooms, check, rollOnce, authors } = setUp();
    rooms.write('room', 15);
    await rollOnce();
    const head = rooms.room('room').state.head.value.seq;
    const { archivedTo } = rooms.room('room').state;
    expect(await check()).toMatchObject({
      ...{ entries: archivedTo.value, erased: 0, unbound: 0, broken: [] },
      ...{ hot: head - archivedTo.value, next: null },
    });
    const { marks } = await check();
    expect(marks.map(({ seq }) => seq)).toEqual([3, 6, 9, 12].filter((seq) => seq <= archivedTo.value));

    authors.set('a' as UserId, { upTo: sequenceId(head), rev: sequenceId(head + 1) });
    const erased = await eraseArchived(rooms.archive, room, 'a' as UserId, sequenceId(head));
    expect(erased).toMatchObject({ problem: null });
    expect(erased.entries).toBeGreaterThan(0);
    expect(await check()).toMatchObject({ erased: erased.entries, broken: [], marks });
  });

  it('says so when somebody made a message go that nobody has asked to erase', async () => {
    const { rooms, check, rollOnce } = setUp();
    rooms.write('room', 15);
    await rollOnce();
    const tombstones = [utf8('')];
    await rooms.archive.erase(room, [{ gen: generation(1), seq: sequenceId(5), tombstones }]);
    const broken = [{ gen: 1, first: 5, last: 5, why: 'it was erased, and nobody has asked for that' }];
    expect(await check()).toMatchObject({ erased: 1, broken });
  });

  it('holds when its beginning is too old to be kept', async () => {
    const { rooms, check, rollOnce } = setUp();
    rooms.write('room', 15);
    await rollOnce();
    const { head } = rooms.room('room').state;
    head.value = { ...head.value, first: sequenceId(6) };
    expect(await dropBefore({ archive: rooms.archive, isHeld: neverHeld }, room, head.value)).toBeNull();
    expect(await check()).toMatchObject({ erased: 2, broken: [] });
  });

  it('of what the archive has lost names the entries', async () => {
    const { rooms, check, rollOnce } = setUp();
    rooms.write('room', 15);
    await rollOnce();
    const { archivedTo } = rooms.room('room').state;
    await rooms.archive.drop(room);
    const why = 'it left Redis, and is not in the archive';
    // What is left of it is hot; the rest is told.
    expect((await check()).broken).toEqual([{ gen: 1, first: 1, last: archivedTo.value, why }]);
  });

  it('is refused without an archive, or with a cursor of somebody else', async () => {
    const { checks, rooms } = setUp();
    expect(await checks.check(room, 'x')).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    const without = new ChainChecks({
      calls: rooms.calls,
      reads: { timelines: rooms.timelines, records: { fields: () => Promise.resolve(new Map()) } },
      archive: null,
    });
    expect(await without.check(room, null)).toMatchObject({ ok: false, error: { code: 'conflict' } });
  });

  it('passes on that the archive is away', async () => {
    const away = { code: 'unavailable', retry: 'backoff', message: 'It is away.', whatToDo: 'Wait.' } as const;
    const { rooms, checks } = setUp((archive) => ({
      read: archive.read.bind(archive),
      extent: () => Promise.resolve(ok([])),
      chain: () => Promise.resolve({ ok: false, error: away }),
    }));
    rooms.write('room', 5);
    expect(await checks.check(room, null)).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });
});

describe('what left Redis', () => {
  const span = (gen: number, first: number, last: number): GenerationSpan => ({
    gen: generation(gen),
    first: sequenceId(first),
    last: sequenceId(last),
  });
  const head: TimelineHead = {
    ...emptyHead(generation(2)),
    seq: sequenceId(20),
    first: sequenceId(11),
    past: [span(1, 3, 10)],
  };
  const lacking = (archivedTo: number, ...archived: readonly GenerationSpan[]): readonly string[] =>
    missingOf({ head, archivedTo: sequenceId(archivedTo), retentionDays: 0, lifetimeMs: 0 }, archived).map(
      ({ gen, first, last }) => `${String(gen)}-${String(first)}..${String(last)}`,
    );

  it('is to be archived, in the generation that it had', () => {
    expect(lacking(0)).toEqual([]);
    expect(lacking(14, span(1, 1, 12), span(2, 11, 14))).toEqual([]);
    expect(lacking(14, span(1, 5, 8), span(2, 11, 12))).toEqual(['1-3..4', '1-9..10', '2-13..14']);
    expect(lacking(14, span(2, 11, 14))).toEqual(['1-3..10']);
    expect(lacking(8)).toEqual(['1-3..8']);
  });

  it('is looked at from where the page before ended', () => {
    const at = { gen: generation(3), seq: sequenceId(70) };
    expect(decodeChainCursor(encodeChainCursor(at))).toEqual(at);
    for (const wrong of ['', '3', '0-1', '3-x', '3-99999999999999999', '-1-2'])
      expect(decodeChainCursor(wrong)).toBeNull();
  });
});
