import { err, generation, ok, systemClock, systemTimers, utf8, type NodeId } from '@millrace/kernel';
import type { StoreFormat } from '@millrace/partition';
import { emptyHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { Archiver } from '../archive/archiver.ts';
import {
  ArchiveMismatch,
  BirthActor,
  birthKey,
  decodeBorn,
  PartitionCountMismatch,
  StoreFormatMismatch,
  type BirthCommand,
} from './birth-actor.ts';
import { misfitOf, storeMisfitOf } from './born-with.ts';

const gen = generation(1);

describe('the number of partitions', () => {
  it('is fixed by the first who says it', () => {
    const actor = new BirthActor({ head: null, fields: new Map() }, gen);
    expect(actor.handle({ t: 'birth', partitionCount: 16 }).reply).toEqual({ ok: true, value: 16 });
    expect(actor.pendingWrite()).toMatchObject({ set: [['p', '16']], expected: { gen: 0, seq: 0 } });
    actor.settle();
    expect(actor.handle({ t: 'birth', partitionCount: 32 }).reply).toEqual({ ok: true, value: 16 });
    expect(actor.pendingWrite()).toBeNull();
  });

  it('is told as it is stored, and a refused commit leaves no trace of it (I2)', () => {
    const stored = new BirthActor({ head: emptyHead(gen), fields: new Map([['p', utf8('256')]]) }, gen);
    expect(stored.handle({ t: 'birth', partitionCount: 64 }).reply).toEqual({ ok: true, value: 256 });
    const fresh = new BirthActor({ head: null, fields: new Map() }, gen);
    fresh.handle({ t: 'birth', partitionCount: 8 });
    fresh.restore();
    expect(fresh.pendingWrite()).toBeNull();
    expect(fresh.handle({ t: 'birth', partitionCount: 9 }).reply).toEqual({ ok: true, value: 9 });
  });
});

describe('the format of a store', () => {
  const asked = { t: 'birth', partitionCount: 16, tellsAll: true } as const;
  /** Of a node of the version that knew of the second format. */
  const former = (pairsAtHome: boolean) => ({ ...asked, pairsAtHome });
  const now = (storeFormat: StoreFormat) => ({ ...asked, storeFormat, pairsAtHome: storeFormat > 1 });
  const told = (partitions: number, storeFormat: StoreFormat) =>
    ok({ partitions, archive: null, storeFormat, pairsAtHome: storeFormat > 1 });
  const fresh = () => new BirthActor({ head: null, fields: new Map() }, gen);

  it.each([1, 2, 3] as const)('is fixed by the first who says it, and told as it is stored: %i', (format) => {
    const actor = fresh();
    expect(actor.handle(now(format)).reply).toEqual(told(16, format));
    actor.restore();
    expect(actor.pendingWrite()).toBeNull();
    expect(actor.handle(now(format)).reply).toEqual(told(16, format));
    const set = actor.pendingWrite()?.set ?? [];
    expect(Object.fromEntries(set)).toEqual(
      // Of the third one a former version reads that it has no partitions, whoever answers it.
      { 1: { p: '16' }, 2: { p: '16', d: '1' }, 3: { p: '0', q: '16', d: '2' } }[format],
    );
    actor.settle();
    const other = format === 1 ? 3 : 1;
    expect(actor.handle(now(other)).reply).toEqual(told(16, format));
    const record = { head: emptyHead(gen), fields: new Map(set.map(([name, value]) => [name, utf8(String(value))])) };
    expect(decodeBorn(record)).toEqual({ partitions: 16, archive: null, storeFormat: format });
    const stored = new BirthActor(record, gen);
    expect(stored.handle(now(other)).reply).toEqual(told(16, format));
    expect(stored.pendingWrite()).toBeNull();
  });

  it('is the first or the second one of a store that a former version has born', () => {
    for (const [command, format] of [[asked, 1] as const, [former(false), 1] as const, [former(true), 2] as const]) {
      const actor = fresh();
      expect(actor.handle(command).reply).toEqual(told(16, format));
      expect(actor.handle(now(3)).reply).toEqual(told(16, format));
    }
  });

  it('keeps out who does not know of it', () => {
    const partitions = (format: StoreFormat, ...commands: readonly BirthCommand[]) => {
      const actor = fresh();
      actor.handle(now(format));
      return commands.map((command) => {
        const { reply } = actor.handle(command);
        return reply.ok && (typeof reply.value === 'object' ? reply.value.partitions : reply.value);
      });
    };
    const before = [{ t: 'birth', partitionCount: 16 } as const, asked];
    expect(partitions(3, ...before, former(true), former(false), now(1))).toEqual([0, 0, 0, 0, 16]);
    expect(partitions(2, ...before, former(true), former(false))).toEqual([0, 0, 16, 16]);
    expect(partitions(1, ...before, former(true), former(false))).toEqual([16, 16, 16, 16]);
  });

  it('keeps a node out that says otherwise, with what to do', async () => {
    const misfit = (born: unknown, storeFormat: StoreFormat) =>
      misfitOf(
        {
          post: (_key, _command, answer) => {
            answer(ok(born));
          },
          view: null,
        },
        {
          ...{ node: 'node-1' as NodeId, partitionCount: 16, storeFormat, leaseMs: 10 },
          ...{ clock: systemClock, timers: systemTimers },
        },
        () => false,
      );
    const born = { partitions: 16, archive: null };
    for (const format of [1, 2, 3] as const) expect(await misfit({ ...born, storeFormat: format }, format)).toBeNull();
    // An owner that runs a former version.
    expect(await misfit(born, 1)).toBeNull();
    expect(await misfit({ ...born, pairsAtHome: false }, 1)).toBeNull();
    expect(await misfit({ ...born, pairsAtHome: true }, 2)).toBeNull();
    for (const [stored, format] of [[born, 1] as const, [{ ...born, pairsAtHome: true }, 2] as const])
      expect(await misfit(stored, 3)).toMatchObject({
        name: 'StoreFormatMismatch',
        message: expect.stringContaining(
          `born in format ${String(format)}, and 3 is configured: the format is fixed for good, so configure ${String(format)}`,
        ) as string,
      });
  });

  it('is read from the store itself before a node is in the cluster', async () => {
    const inStore = (fields: Readonly<Record<string, string>>) => ({
      loadActor: (partition: number, actor: string) =>
        Promise.resolve(
          ok({
            head: null,
            fields: new Map(
              partition === 0 && actor === birthKey
                ? Object.entries(fields).map(([name, text]) => [name, utf8(text)])
                : [],
            ),
          }),
        ),
    });
    const fits = (store: ReturnType<typeof inStore>) =>
      storeMisfitOf(store, { partitionCount: 16, storeFormat: 3 }, systemTimers, () => false);
    expect(await fits(inStore({ p: '0', q: '16', d: '2' }))).toBeNull();
    expect(await fits(inStore({}))).toBeNull();
    expect(await fits(inStore({ p: '16', d: '1' }))).toBeInstanceOf(StoreFormatMismatch);
    expect(await fits(inStore({ p: '0', q: '8', d: '2' }))).toBeInstanceOf(PartitionCountMismatch);
    // Born by a later version.
    expect(await fits(inStore({ p: '0', q: '16', d: '3' }))).toMatchObject({
      name: 'StoreFormatMismatch',
      message: expect.stringContaining('born in format 4, which this version of Millrace does not know') as string,
    });
  });

  it('is asked for until the store answers, or the node is to stop', async () => {
    const answers = [false, false, true];
    const store = {
      loadActor: () =>
        Promise.resolve(
          answers.shift() === true
            ? ok({ head: null, fields: new Map([['p', utf8('16')]]) })
            : err({ code: 'unavailable', message: '' } as const),
        ),
    };
    const mine = { partitionCount: 16, storeFormat: 3 } as const;
    const atOnce = { ...systemTimers, after: (_ms: number, then: () => void) => systemTimers.after(0, then) };
    expect(await storeMisfitOf(store, mine, atOnce, () => false)).toBeInstanceOf(StoreFormatMismatch);
    expect(answers).toEqual([]);
    let asked = 0;
    expect(await storeMisfitOf(store, mine, atOnce, () => (asked += 1) > 3)).toBeNull();
  });
});

describe('the archive of a store', () => {
  const mine = '0'.repeat(32);

  it('is fixed by what is archived first, and told with the number of partitions to who asks for all', () => {
    const actor = new BirthActor({ head: null, fields: new Map() }, gen);
    const asked = { t: 'birth', partitionCount: 16, tellsAll: true } as const;
    expect(actor.handle(asked).reply).toEqual(
      ok({ partitions: 16, archive: null, storeFormat: 1, pairsAtHome: false }),
    );
    actor.settle();
    expect(actor.handle({ t: 'archive', identity: mine }).reply).toEqual({ ok: true, value: mine });
    expect(actor.pendingWrite()).toMatchObject({ set: [['a', mine]] });
    actor.settle();
    expect(actor.handle({ t: 'archive', identity: 'f'.repeat(32) }).reply).toEqual({ ok: true, value: mine });
    expect(actor.pendingWrite()).toBeNull();
    const stored = new BirthActor(
      {
        head: emptyHead(gen),
        fields: new Map([
          ['p', utf8('16')],
          ['a', utf8(mine)],
        ]),
      },
      gen,
    );
    expect(stored.handle(asked).reply).toEqual(
      ok({ partitions: 16, archive: mine, storeFormat: 1, pairsAtHome: false }),
    );
  });

  it('keeps a node out that does not use it, with what to do, and no node before anything is archived', async () => {
    const misfit = (born: unknown, identity: string | null) =>
      misfitOf(
        {
          post: (_key, _command, answer) => {
            answer(ok(born));
          },
          view: null,
        },
        {
          ...{ node: 'node-1' as NodeId, partitionCount: 16, storeFormat: 1, leaseMs: 10 },
          ...{ clock: systemClock, timers: systemTimers },
          ...(identity === null ? {} : { archiver: { identity } as unknown as Archiver }),
        },
        () => false,
      );
    expect(await misfit({ partitions: 16, archive: null }, mine)).toBeNull();
    expect(await misfit({ partitions: 16, archive: mine }, mine)).toBeNull();
    expect(await misfit({ partitions: 16, archive: null }, null)).toBeNull();
    // An owner that runs an earlier version.
    expect(await misfit(16, mine)).toBeNull();
    expect(await misfit({ partitions: 16, archive: mine }, null)).toMatchObject({
      name: 'ArchiveMismatch',
      message: expect.stringContaining(`in the archive ${mine}, and no archive is configured`) as string,
    });
    expect(await misfit({ partitions: 16, archive: mine }, 'f'.repeat(32))).toBeInstanceOf(ArchiveMismatch);
    expect(await misfit(32, mine)).toBeInstanceOf(PartitionCountMismatch);
  });
});
