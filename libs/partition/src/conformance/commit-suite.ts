import { partitionId, sequenceId, utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { Commit } from '../commit.ts';
import { actorKey, APartition, appending, at, commitIdOf, head, nowhere } from './a-partition.ts';
import type { StoresUnderTest } from './stores-under-test.ts';

const room = actorKey('c:room');
const other = actorKey('c:other');

export function commitSuite(stores: () => StoresUnderTest): void {
  const claimed = async (id = 7): Promise<APartition> => {
    const partition = new APartition(stores(), id);
    await partition.claim();
    return partition;
  };

  describe('a commit', () => {
    it('stores head, fields and entries of every actor it writes', async () => {
      const partition = await claimed();
      await partition.stored([
        appending(room, nowhere, ['one', 'two'], {
          set: [
            ['title', 'Room'],
            ['bytes', Uint8Array.of(0, 255, 128)],
          ],
        }),
        appending(other, nowhere, []),
      ]);
      expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two']);
      const record = await partition.load(room);
      expect(record.head).toEqual(head(1, 2));
      expect([...record.fields.keys()].sort()).toEqual(['bytes', 'title']);
      expect([...(record.fields.get('bytes') ?? [])]).toEqual([0, 255, 128]);
      expect((await partition.load(other)).head).toEqual(head(1, 0));
      expect(await partition.entries(other)).toEqual([]);
    });

    it('is executed once however often it is sent (I5)', async () => {
      const partition = await claimed();
      const commit = await partition.stored([appending(room, nowhere, ['one'])], { feed: utf8('f') });
      expect(await partition.send(commit)).toEqual({ code: 'dup' });
      expect(await Promise.all([partition.send(commit), partition.send(commit)])).toEqual([
        { code: 'dup' },
        { code: 'dup' },
      ]);
      expect(await partition.entries(room)).toEqual(['1-1 one']);
      expect(await partition.feed()).toHaveLength(1);
    });

    it('sent twice at once is executed once (I5)', async () => {
      const partition = await claimed();
      const commit = partition.next([appending(room, nowhere, ['one'])]);
      expect(await Promise.all([partition.send(commit), partition.send(commit)])).toEqual([
        { code: 'ok' },
        { code: 'dup' },
      ]);
      expect(await partition.entries(room)).toEqual(['1-1 one']);
    });

    it('is, by what was left of it, sent again under another token, and executed once (I5)', async () => {
      const { partitions } = stores();
      const partition = await claimed();
      const memo: NonNullable<Commit['memo']> = { sent: null };
      const long = 'x'.repeat(9_000);
      const writes = [
        appending(room, nowhere, ['one', 'two', long], { set: [['title', 'Room']] }),
        appending(other, nowhere, [], { set: [['bytes', Uint8Array.of(0, 255, 128)]] }),
      ];
      const late = partition.next(writes, { memo, feed: utf8('f') });
      const { token } = await partition.claim();
      expect(await partition.send(late)).toEqual({ code: 'fenced', heldEpoch: token.epoch });
      if (partitions.sendAgain === undefined) {
        expect(memo.sent).toBeNull();
        return;
      }
      if (memo.sent === null) throw new Error('nothing was left of the commit');
      expect(await partitions.sendAgain(late, memo.sent)).toEqual({ code: 'fenced', heldEpoch: token.epoch });
      expect(await partition.entries(room)).toEqual([]);
      expect(await partitions.sendAgain({ ...late, token }, memo.sent)).toEqual({ code: 'ok' });
      expect(await partitions.sendAgain({ ...late, token }, memo.sent)).toEqual({ code: 'dup' });
      expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two', `1-3 ${long}`]);
      expect([...((await partition.load(room)).fields.get('title') ?? [])]).toEqual([...utf8('Room')]);
      expect([...((await partition.load(other)).fields.get('bytes') ?? [])]).toEqual([0, 255, 128]);
      expect(await partition.feed()).toHaveLength(1);
      partition.commitNo = late.commitNo;
      await partition.stored([appending(room, at(1, 3), ['four'])]);
      expect((await partition.entries(room)).at(-1)).toBe('1-4 four');
    });

    it('of an owner that was replaced is fenced by the higher epoch, and changes nothing (I2)', async () => {
      const partition = await claimed();
      await partition.stored([appending(room, nowhere, ['one'])]);
      const late = partition.next([appending(room, at(1, 1), ['late'])], { feed: utf8('late') });
      const { token } = await partition.claim();
      expect(await partition.send(late)).toEqual({ code: 'fenced', heldEpoch: token.epoch });
      expect(await partition.entries(room)).toEqual(['1-1 one']);
      expect(await partition.feed()).toEqual([]);
    });

    it('with the right epoch and another uuid is fenced (I2)', async () => {
      const partition = await claimed();
      const { epoch } = partition.token;
      partition.token = { epoch, uuid: 'f'.repeat(32) };
      expect(await partition.send(partition.next([]))).toEqual({ code: 'fenced', heldEpoch: epoch });
    });

    it('to a partition that nobody claimed is fenced by epoch 0 (I2)', async () => {
      const partition = new APartition(stores());
      expect(await partition.send(partition.next([]))).toEqual({ code: 'fenced', heldEpoch: 0 });
    });

    it('fences even the repeat of an accepted commit once another owner has claimed (I2)', async () => {
      const partition = await claimed();
      const commit = await partition.stored([]);
      const { token } = await partition.claim();
      expect(await partition.send(commit)).toEqual({ code: 'fenced', heldEpoch: token.epoch });
    });

    it('above the next number is answered regressed with the number the store is at (I2)', async () => {
      const partition = await claimed();
      await partition.stored([]);
      const ahead = partition.next([appending(room, nowhere, ['one'])], { commitNo: 12 });
      expect(await partition.send(ahead)).toEqual({ code: 'regressed', commitNo: 1 });
      expect(await partition.entries(room)).toEqual([]);
    });

    it('compares commit numbers as numbers, not as text', async () => {
      const partition = await claimed();
      for (let count = 0; count < 9; count += 1) await partition.stored([]);
      expect(await partition.send(partition.next([], { commitNo: 11 }))).toEqual({ code: 'regressed', commitNo: 9 });
      await partition.stored([]);
      expect(await partition.send(partition.next([], { commitNo: 9 }))).toMatchObject({ code: 'conflict' });
      await partition.stored([]);
      expect(partition.commitNo).toBe(11);
    });

    it('that reuses the stored number with another id is a conflict (I2)', async () => {
      const partition = await claimed();
      await partition.stored([]);
      const forged = partition.next([appending(room, nowhere, ['x'])], { commitNo: 1, commitId: commitIdOf(77) });
      expect(await partition.send(forged)).toMatchObject({ code: 'conflict' });
      expect(await partition.entries(room)).toEqual([]);
    });

    it.each([
      ['behind', at(1, 0)],
      ['ahead', at(1, 2)],
      ['in another generation', at(2, 1)],
      ['a longer number', at(1, 10)],
      ['never written', nowhere],
    ])('that expects a head %s is a conflict, and none of its actors changes (I2)', async (_, expected) => {
      const partition = await claimed();
      await partition.stored([appending(room, nowhere, ['one'])]);
      const commit = partition.next(
        [appending(other, nowhere, ['x'], { set: [['a', 'b']] }), appending(room, expected, ['two'])],
        { feed: utf8('f'), diffusedTo: 1, deadLetters: [utf8('d')] },
      );
      expect(await partition.send(commit)).toMatchObject({ code: 'conflict' });
      expect(await partition.entries(room)).toEqual(['1-1 one']);
      expect(await partition.entries(other)).toEqual([]);
      expect(await partition.load(other)).toEqual({ head: null, fields: new Map() });
      expect(await partition.feed()).toEqual([]);
      await partition.stored([appending(room, at(1, 1), ['two'])]);
    });

    it('that expects an actor to be there which was never written is a conflict (I2)', async () => {
      const partition = await claimed();
      expect(await partition.send(partition.next([appending(room, at(1, 3), ['x'])]))).toMatchObject({
        code: 'conflict',
      });
    });

    it.each([
      ['writes an actor twice', [appending(room, nowhere, ['x']), appending(room, nowhere, ['y'])]],
      ['sets the reserved field', [appending(room, nowhere, [], { set: [['h', '9-9']] })]],
      ['unsets the reserved field', [appending(room, nowhere, [], { unset: ['h'] })]],
      ['sets and unsets a field', [appending(room, nowhere, [], { set: [['a', '1']], unset: ['a'] })]],
      ['has a field name over 160 characters', [appending(room, nowhere, [], { set: [['a'.repeat(161), '1']] })]],
      ['has more entries than seqs', [appending(room, nowhere, ['x', 'y'], { head: head(1, 1) })]],
    ])('that %s is a conflict, and nothing changes (I2)', async (_, writes) => {
      const partition = await claimed();
      expect(await partition.send(partition.next(writes))).toMatchObject({ code: 'conflict' });
      expect(await partition.load(room)).toEqual({ head: null, fields: new Map() });
      expect(await partition.entries(room)).toEqual([]);
    });

    it.each([
      ['leaves a gap', head(1, 5)],
      ['goes backward', head(1, 2)],
    ])('whose Timeline %s is a conflict (I3)', async (_, next) => {
      const partition = await claimed();
      await partition.stored([appending(room, nowhere, ['1', '2', '3'])]);
      const commit = partition.next([appending(room, at(1, 3), ['x'], { head: next })]);
      expect(await partition.send(commit)).toMatchObject({ code: 'conflict' });
      expect(await partition.entries(room)).toHaveLength(3);
    });

    it.each([
      ['beyond the diffusion cursor', { diffusedTo: 0, feedFrom: 2 }],
      ['without the diffusion cursor', { feedFrom: 1 }],
      ['at no commit', { diffusedTo: 0, feedFrom: 0 }],
    ])('that trims the changefeed %s is a conflict, and nothing changes (I6)', async (_, more) => {
      const partition = await claimed();
      await partition.stored([], { feed: utf8('f') });
      expect(await partition.send(partition.next([], more))).toMatchObject({ code: 'conflict' });
      expect(await partition.feed()).toHaveLength(1);
    });

    it('that was refused burns no number: the next one takes it (I3)', async () => {
      const partition = await claimed();
      await partition.send(partition.next([appending(room, at(1, 1), ['lost'])]));
      await partition.stored([appending(room, nowhere, ['one'])], { commitId: commitIdOf(99) });
      expect(await partition.entries(room)).toEqual(['1-1 one']);
    });

    it('sets and unsets fields, and leaves the others', async () => {
      const partition = await claimed();
      await partition.stored([
        appending(room, nowhere, [], {
          set: [
            ['a', '1'],
            ['b', '2'],
            ['c', '3'],
          ],
        }),
      ]);
      await partition.stored([
        appending(room, at(1, 0), [], {
          set: [
            ['b', 'two'],
            ['d', ''],
          ],
          unset: ['a', 'none'],
        }),
      ]);
      expect(await partition.fieldsOf(room)).toEqual({ b: 'two', c: '3', d: '' });
    });

    it('may set, and later unset, more fields than one Redis command takes', async () => {
      const partition = await claimed();
      const names = Array.from({ length: 10_001 }, (_, index) => `m:${String(index)}`);
      await partition.stored([
        appending(room, nowhere, ['x'], { set: names.map((name) => [name, `v${name}`] as const) }),
      ]);
      const record = await partition.fieldsOf(room);
      expect(Object.keys(record)).toHaveLength(10_001);
      expect(record['m:10000']).toBe('vm:10000');
      expect(record['m:1999']).toBe('vm:1999');
      await partition.stored([appending(room, at(1, 1), [], { unset: names.slice(1) })]);
      expect(await partition.fieldsOf(room)).toEqual({ 'm:0': 'vm:0' });
    });

    it('takes many entries and large ones', async () => {
      const partition = await claimed();
      const large = 'x'.repeat(300_000);
      const entries = [...Array.from({ length: 9_000 }, (_, index) => String(index + 1)), large];
      await partition.stored([appending(room, nowhere, entries)]);
      const stored = await partition.entries(room);
      expect(stored).toHaveLength(9_001);
      expect(stored[8_999]).toBe('1-9000 9000');
      expect(stored[9_000]).toBe(`1-9001 ${large}`);
    });

    it('may begin an imported Timeline at any seq, up to the largest (I3)', async () => {
      const partition = await claimed();
      const seq = Number.MAX_SAFE_INTEGER - 2;
      await partition.stored([appending(room, nowhere, ['a', 'b'], { head: head(1, seq, seq - 1) })]);
      await partition.stored([appending(room, at(1, seq), ['c'], { head: head(1, seq + 1, seq - 1) })]);
      expect(await partition.entries(room)).toEqual([
        '1-9007199254740988 a',
        '1-9007199254740989 b',
        '1-9007199254740990 c',
      ]);
      expect((await partition.load(room)).head).toEqual(head(1, seq + 1, seq - 1));
    });

    it('goes on behind the surviving head in a new generation, and keeps the spans of the past (I3)', async () => {
      const partition = await claimed();
      await partition.stored([appending(room, nowhere, ['1', '2'])]);
      const second = { ...head(2, 3, 3), past: [{ ...at(1, 2), first: sequenceId(1), last: sequenceId(2) }] };
      const past = second.past.map(({ gen, first, last }) => ({ gen, first, last }));
      await partition.stored([appending(room, at(1, 2), ['3'], { head: { ...second, past } })]);
      expect((await partition.load(room)).head).toEqual({ ...head(2, 3, 3), past });
      expect(await partition.send(partition.next([appending(room, at(1, 2), ['x'])]))).toMatchObject({
        code: 'conflict',
      });
      await partition.stored([appending(room, at(2, 3), ['4'], { head: { ...head(2, 4, 3), past } })]);
      expect(await partition.entries(room)).toEqual(['1-1 1', '1-2 2', '2-3 3', '2-4 4']);
    });

    it('trims what is before a position, and the numbering goes on even when nothing is left (I3)', async () => {
      const partition = await claimed();
      await partition.stored([appending(room, nowhere, ['1', '2', '3', '4'])]);
      await partition.stored([appending(room, at(1, 4), [], { trimBefore: at(1, 3) })]);
      expect(await partition.entries(room)).toEqual(['1-3 3', '1-4 4']);
      await partition.stored([appending(room, at(1, 4), ['5'], { trimBefore: at(1, 6) })]);
      expect(await partition.entries(room)).toEqual([]);
      expect(await partition.send(partition.next([appending(room, nowhere, ['x'])]))).toMatchObject({
        code: 'conflict',
      });
      await partition.stored([appending(room, at(1, 5), ['6'])]);
      expect(await partition.entries(room)).toEqual(['1-6 6']);
    });

    it('of one partition does not concern the others, though all go at once', async () => {
      const partitions = await Promise.all(Array.from({ length: 64 }, (_, id) => claimed(id)));
      const outcomes = await Promise.all(
        partitions.map((partition, index) =>
          partition.send(partition.next([appending(room, index % 4 === 3 ? at(1, 9) : nowhere, [String(index)])])),
        ),
      );
      expect(outcomes.map(({ code }) => code)).toEqual(
        partitions.map((_, index) => (index % 4 === 3 ? 'conflict' : 'ok')),
      );
      for (const [index, partition] of partitions.entries()) {
        expect(partition.id).toBe(partitionId(index));
        expect(await partition.entries(room)).toEqual(index % 4 === 3 ? [] : [`1-1 ${String(index)}`]);
      }
    });
  });
}
