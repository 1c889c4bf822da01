import { err, ok, type Result } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { readAcknowledged } from './acknowledged-read.ts';
import type { ActorRecord, StoreError } from './partition-store.ts';

const record: ActorRecord = { head: null, fields: new Map() };

/** @param later - what has become of the actor and the partition when the store answers. */
const read = (
  now: { readonly serves?: boolean; readonly isInMemory?: boolean },
  later: typeof now = now,
  answer: Result<ActorRecord, StoreError> = ok(record),
) => {
  let state = now;
  return readAcknowledged({
    serves: () => state.serves ?? true,
    isInMemory: () => state.isInMemory ?? false,
    load: () => {
      state = later;
      return Promise.resolve(answer);
    },
  });
};

describe('a read of what is acknowledged', () => {
  it('is of the record while the actor rests in the store', async () => {
    expect(await read({})).toEqual(ok(record));
  });

  it('leaves an actor in memory to answer itself, also one that came in meanwhile (I1)', async () => {
    expect(await read({ isInMemory: true })).toEqual(ok(null));
    expect(await read({}, { isInMemory: true })).toEqual(ok(null));
  });

  it('is refused without ownership, before and after (P5), and by a store that does not answer', async () => {
    expect(await read({ serves: false })).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(await read({}, { serves: false })).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    const away = err({ code: 'unavailable', message: 'away' } as const);
    expect(await read({}, {}, away)).toEqual(away);
  });
});
