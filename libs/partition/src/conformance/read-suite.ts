import { generation, sequenceId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { ByteBudget, type RangeQuery } from '@millrace/timeline';
import { actorKey, APartition, appending, at, head, nowhere, texts } from './a-partition.ts';
import type { StoresUnderTest } from './stores-under-test.ts';

const room = actorKey('c:room');

export function readSuite(stores: () => StoresUnderTest): void {
  /** Seqs 1..5 of generation 1 and 6..8 of generation 3. */
  const filled = async (): Promise<APartition> => {
    const partition = new APartition(stores());
    await partition.claim();
    await partition.stored([appending(room, nowhere, ['a', 'b', 'c', 'd', 'e'])]);
    const past = [{ gen: generation(1), first: sequenceId(1), last: sequenceId(5) }];
    await partition.stored([appending(room, at(1, 5), ['f', 'g', 'h'], { head: { ...head(3, 8, 6), past } })]);
    return partition;
  };
  const read = async (partition: APartition, query: RangeQuery): Promise<readonly string[]> =>
    texts(await stores().timelines.range(partition.id, room, query));

  describe('a read of fields', () => {
    const names = ['one', 'two', 'three'];

    it('tells those that are there, of any record of the partition, also one without a Timeline', async () => {
      const partition = await filled();
      const beside = actorKey('r:room');
      const nothing = { expected: nowhere, head: head(0, 0), entries: [], trimBefore: null };
      const set = [
        ['one', '1'],
        ['two', Uint8Array.of(0, 255)],
      ] as const;
      await partition.stored([{ actor: beside, ...nothing, set, unset: [] }]);
      await partition.stored([{ actor: beside, ...nothing, set: [['three', '3']], unset: ['one'] }]);
      const found = await stores().records.fields(partition.id, beside, names);
      expect([...found].map(([name, value]) => [name, [...value]])).toEqual([
        ['two', [0, 255]],
        ['three', [51]],
      ]);
      expect(await stores().records.fields(partition.id, actorKey('r:none'), names)).toEqual(new Map());
      expect(await stores().records.fields(partition.id, beside, [])).toEqual(new Map());
    });

    it('takes nothing from a store that lacks what was acknowledged, nor to the answer of a former owner (I1, I5)', async () => {
      const partition = await filled();
      const { token, commitNo } = await partition.stands();
      const readSince = async (...since: [token: string, commitNo: number]): Promise<string> =>
        stores()
          .records.fields(partition.id, room, ['none'], { token: since[0], commitNo: since[1] })
          .then(() => 'read')
          .catch((error: unknown) => (error as Error).constructor.name);
      // In one turn, so that they go together where that can be.
      const answers = [readSince(token, commitNo), readSince(token, commitNo + 1), readSince('0:before', commitNo)];
      expect(await Promise.all(answers)).toEqual(['read', 'StoreUnavailable', 'Superseded']);
      expect(await readSince(token, commitNo - 1)).toBe('read');
      // The next owner may have begun with less, and a claim may have been rolled back.
      expect(await readSince('0:before', commitNo + 1)).toBe('Superseded');
      expect(await readSince(`${String(partition.token.epoch)}:another`, commitNo)).toBe('StoreUnavailable');
      expect(await readSince('99:lost', commitNo)).toBe('StoreUnavailable');
      // Of what is not stored nothing is known.
      expect(await readSince('', 0)).toBe('read');
      await partition.claim();
      expect(await readSince(token, commitNo)).toBe('Superseded');
      expect(await readSince((await partition.stands()).token, commitNo)).toBe('read');
    });
  });

  describe('a read', () => {
    it('forward begins at `from` and stops at `to` or the limit', async () => {
      const partition = await filled();
      const query = { from: at(1, 2), to: at(1, 4), direction: 'forward' } as const;
      expect(await read(partition, { ...query, limit: 10 })).toEqual(['1-2 b', '1-3 c', '1-4 d']);
      expect(await read(partition, { ...query, limit: 2 })).toEqual(['1-2 b', '1-3 c']);
    });

    it('backward begins at `to` and stops at `from` or the limit', async () => {
      const partition = await filled();
      const query = { from: at(1, 2), to: at(1, 4), direction: 'backward' } as const;
      expect(await read(partition, { ...query, limit: 10 })).toEqual(['1-4 d', '1-3 c', '1-2 b']);
      expect(await read(partition, { ...query, limit: 1 })).toEqual(['1-4 d']);
    });

    it('crosses generations in both directions without a hole or a repeat', async () => {
      const partition = await filled();
      const query = { from: at(1, 4), to: at(3, 7), limit: 10 };
      const forward = ['1-4 d', '1-5 e', '3-6 f', '3-7 g'];
      expect(await read(partition, { ...query, direction: 'forward' })).toEqual(forward);
      expect(await read(partition, { ...query, direction: 'backward' })).toEqual([...forward].reverse());
    });

    it('beyond the head, or of an actor that was never written, finds nothing', async () => {
      const partition = await filled();
      expect(await read(partition, { from: at(3, 9), to: at(4, 99), limit: 5, direction: 'forward' })).toEqual([]);
      const query = { from: at(0, 0), to: at(9, 9), limit: 5, direction: 'backward' } as const;
      expect(await stores().timelines.range(partition.id, actorKey('c:none'), query)).toEqual([]);
      expect(await partition.load(actorKey('c:none'))).toEqual({ head: null, fields: new Map() });
    });

    it('of one position finds exactly that entry', async () => {
      const partition = await filled();
      const entry = await stores().timelines.at(partition.id, room, at(3, 7));
      expect(entry).toMatchObject({ gen: 3, seq: 7 });
      expect(new TextDecoder().decode(entry?.data)).toBe('g');
      expect(await stores().timelines.at(partition.id, room, at(1, 7))).toBeNull();
      expect(await stores().timelines.at(partition.id, room, at(3, 9))).toBeNull();
    });

    it('answers a conversation and a user of the same name apart', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      await partition.stored([
        appending(actorKey('c:ann'), nowhere, ['conversation'], { set: [['k', 'c']] }),
        appending(actorKey('u:ann'), nowhere, ['user'], { set: [['k', 'u']] }),
      ]);
      expect(await partition.entries(actorKey('c:ann'))).toEqual(['1-1 conversation']);
      expect(await partition.entries(actorKey('u:ann'))).toEqual(['1-1 user']);
      expect(await partition.fieldsOf(actorKey('u:ann'))).toEqual({ k: 'u' });
    });

    it('of some fields of a record has those that are there, and the head', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      const set = [
        ['k', 'v'],
        ['other', 'w'],
        ['m:größe', 'x'],
      ] as const;
      await partition.stored([appending(room, nowhere, ['a', 'b'], { set })]);
      const load = (actor: string, ...fields: readonly string[]) =>
        stores().partitions.loadFields(partition.id, actorKey(actor), fields);
      const found = await load('c:room', 'm:größe', 'none', 'k');
      if (!found.ok) throw new Error(found.error.message);
      expect(found.value.head).toEqual(head(1, 2));
      const values = [...found.value.fields].map(([name, value]) => [name, new TextDecoder().decode(value)]);
      expect(values.sort()).toEqual([
        ['k', 'v'],
        ['m:größe', 'x'],
      ]);
      expect(await load('c:room')).toMatchObject({ ok: true, value: { head: head(1, 2), fields: new Map() } });
      expect(await load('c:none', 'k')).toEqual({ ok: true, value: { head: null, fields: new Map() } });
    });

    it('of several ranges within a budget ends early where it is spent, and nowhere else', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      const rooms = ['c:one', 'c:two', 'c:three'].map(actorKey);
      const tenBytesEach = Array.from({ length: 20 }, (_, index) => `entry ${String(index).padStart(4)}`);
      await partition.stored(rooms.map((each) => appending(each, nowhere, tenBytesEach)));
      const query = { from: at(1, 1), to: at(1, 20), limit: 20, direction: 'forward' } as const;
      for (const bytesMax of [1, 10, 55, 250, 605, 1_000_000]) {
        const budget = new ByteBudget(bytesMax);
        const found = await Promise.all(
          rooms.map((each) => stores().timelines.range(partition.id, each, { ...query, budget })),
        );
        for (const entries of found)
          expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
        const count = found.reduce((sum, entries) => sum + entries.length, 0);
        expect(count).toBeGreaterThan(0);
        if (count < 60) expect(budget.isSpent).toBe(true);
        // A store that knows nothing of budgets brings everything.
        if (budget.left < bytesMax) expect(count * 10).toBeLessThan(bytesMax + 10);
      }
    });

    it('many at once are each answered with their own', async () => {
      const partition = await filled();
      const seqs = Array.from({ length: 200 }, (_, index) => (index % 5) + 1);
      const found = await Promise.all(seqs.map((seq) => stores().timelines.at(partition.id, room, at(1, seq))));
      expect(found.map((entry) => entry?.seq)).toEqual(seqs);
    });
  });
}
