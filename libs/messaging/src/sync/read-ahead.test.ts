import { generation, sequenceId, type UserId } from '@millrace/kernel';
import { emptyHead, type TimelineEntry } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { ReadAhead } from './read-ahead.ts';

const ann = 'ann' as UserId;
const at = (seq: number, gen = 1) => ({ gen: generation(gen), seq: sequenceId(seq) });
const head = (gen = 1) => ({ ...emptyHead(generation(gen)), seq: sequenceId(100) });
const records = (seq: number): readonly TimelineEntry[] => [{ ...at(seq), data: new Uint8Array() }];
const read = (seq: number) => () => Promise.resolve(records(seq));

describe('what is read ahead', () => {
  it('is used once, by the one that it is for', async () => {
    const ahead = new ReadAhead();
    ahead.begin(ann, at(5), head(), read(6));
    expect(await ahead.take('bob' as UserId, at(5), head())).toBe(null);
    expect(await ahead.take(ann, at(5), head())).toEqual(records(6));
    expect(await ahead.take(ann, at(5), head())).toBe(null);
  });

  it('is not used for another position, or when the inbox has another generation meanwhile', async () => {
    for (const [after, of] of [
      [at(4), head()],
      [at(5, 2), head()],
      [at(5), head(2)],
    ] as const) {
      const ahead = new ReadAhead();
      ahead.begin(ann, at(5), head(), read(6));
      expect(await ahead.take(ann, after, of)).toBe(null);
    }
  });

  it('is nothing when it could not be read', async () => {
    const ahead = new ReadAhead();
    ahead.begin(ann, at(5), head(), () => Promise.reject(new Error('away')));
    expect(await ahead.take(ann, at(5), head())).toBe(null);
  });

  it('is kept of so many users only (I9)', async () => {
    const ahead = new ReadAhead();
    const users = Array.from({ length: 100 }, (_, index) => `user-${String(index)}` as UserId);
    for (const user of users) ahead.begin(user, at(5), head(), read(6));
    const kept = await Promise.all(users.map((user) => ahead.take(user, at(5), head())));
    expect(kept.map((found) => found !== null)).toEqual(users.map((_, index) => index >= 36));
  });
});
