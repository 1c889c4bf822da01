import { generation, utf8 } from '@millrace/kernel';
import { emptyHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { BirthActor } from './birth-actor.ts';

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
