import { generation, ok, systemClock, systemTimers, utf8, type NodeId } from '@millrace/kernel';
import { emptyHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { Archiver } from '../archive/archiver.ts';
import { ArchiveMismatch, BirthActor, PartitionCountMismatch } from './birth-actor.ts';
import { misfitOf } from './born-with.ts';

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

describe('where conversations of two are', () => {
  const asked = { t: 'birth', partitionCount: 16, tellsAll: true } as const;
  const told = (partitions: number, pairsAtHome: boolean) => ok({ partitions, archive: null, pairsAtHome });

  it('is fixed by the first who says it, with the number of partitions, and told as it is stored', () => {
    const actor = new BirthActor({ head: null, fields: new Map() }, gen);
    expect(actor.handle({ ...asked, pairsAtHome: true }).reply).toEqual(told(16, true));
    actor.restore();
    expect(actor.pendingWrite()).toBeNull();
    expect(actor.handle({ ...asked, pairsAtHome: true }).reply).toEqual(told(16, true));
    const set = actor.pendingWrite()?.set ?? [];
    expect(set).toEqual([
      ['p', '16'],
      ['d', '1'],
    ]);
    actor.settle();
    expect(actor.handle({ ...asked, pairsAtHome: false }).reply).toEqual(told(16, true));
    const fields = new Map(set.map(([name, value]) => [name, utf8(String(value))]));
    const stored = new BirthActor({ head: emptyHead(gen), fields }, gen);
    expect(stored.handle({ ...asked, pairsAtHome: false }).reply).toEqual(told(16, true));
    expect(stored.pendingWrite()).toBeNull();
  });

  it('is apart in a store that was born before anybody could say it', () => {
    const stored = new BirthActor({ head: emptyHead(gen), fields: new Map([['p', utf8('16')]]) }, gen);
    expect(stored.handle({ ...asked, pairsAtHome: true }).reply).toEqual(told(16, false));
    expect(stored.pendingWrite()).toBeNull();
  });

  it('keeps out who does not know of it, but where they are apart', () => {
    const atHome = new BirthActor({ head: null, fields: new Map() }, gen);
    atHome.handle({ ...asked, pairsAtHome: true });
    expect(atHome.handle(asked).reply).toEqual(told(0, true));
    expect(atHome.handle({ t: 'birth', partitionCount: 16 }).reply).toEqual(ok(0));
    const apart = new BirthActor({ head: null, fields: new Map() }, gen);
    expect(apart.handle(asked).reply).toEqual(told(16, false));
    expect(apart.handle({ ...asked, pairsAtHome: true }).reply).toEqual(told(16, false));
  });

  it('keeps a node out that looks for them elsewhere, with what to do', async () => {
    const misfit = (born: unknown, pairsAtHome: boolean) =>
      misfitOf(
        {
          post: (_key, _command, answer) => {
            answer(ok(born));
          },
          view: null,
        },
        {
          ...{ node: 'node-1' as NodeId, partitionCount: 16, pairsAtHome, leaseMs: 10 },
          ...{ clock: systemClock, timers: systemTimers },
        },
        () => false,
      );
    const born = { partitions: 16, archive: null };
    expect(await misfit({ ...born, pairsAtHome: true }, true)).toBeNull();
    expect(await misfit({ ...born, pairsAtHome: false }, false)).toBeNull();
    // An owner that runs an earlier version.
    expect(await misfit(born, false)).toBeNull();
    for (const stored of [born, { ...born, pairsAtHome: false }])
      expect(await misfit(stored, true)).toMatchObject({
        name: 'PairsMismatch',
        message: expect.stringContaining('apart from their users, which is fixed for good: configure false') as string,
      });
    expect(await misfit({ ...born, pairsAtHome: true }, false)).toMatchObject({
      message: expect.stringContaining('configure true') as string,
    });
  });
});

describe('the archive of a store', () => {
  const mine = '0'.repeat(32);

  it('is fixed by what is archived first, and told with the number of partitions to who asks for all', () => {
    const actor = new BirthActor({ head: null, fields: new Map() }, gen);
    const asked = { t: 'birth', partitionCount: 16, tellsAll: true } as const;
    expect(actor.handle(asked).reply).toEqual(ok({ partitions: 16, archive: null, pairsAtHome: false }));
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
    expect(stored.handle(asked).reply).toEqual(ok({ partitions: 16, archive: mine, pairsAtHome: false }));
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
          ...{ node: 'node-1' as NodeId, partitionCount: 16, pairsAtHome: false, leaseMs: 10 },
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
