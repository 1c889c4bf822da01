import { generation, MalformedBytes, partitionId, sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import { emptyHead, type TimelineReader } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { AnswerReads } from './answer-reads.ts';
import type { Prepared } from './answering.ts';
import type { Missed } from './missed.ts';
import { ReadAhead } from './read-ahead.ts';
import { noCursors } from './sync-token.ts';

const device = 'phone' as DeviceId;
const ann = { user: 'ann' as UserId, device };
const position = (seq: number, gen = 1) => ({ gen: generation(gen), seq: sequenceId(seq) });
const at = (seq: number, gen = 1) => ({ position: position(seq, gen), offset: 0, cursors: noCursors });
const head = (gen = 1) => ({ ...emptyHead(generation(gen)), seq: sequenceId(100) });
const records = (seq: number): Missed => ({ records: [{ ...position(seq), entry: { kind: 'break' } }] });
const read = (seq: number) => () => Promise.resolve(records(seq));
const messages = new AnswerReads({ partitionOf: () => partitionId(0) } as unknown as ActorCalls, {} as TimelineReader);
const prepared: Prepared = { messages, pulled: [] };
const prepare = (): Prepared => prepared;

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

class ManualClock {
  ms = 0;
  nowMs = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

describe('what is read ahead', () => {
  it('is used once, by the one that it is for', async () => {
    const ahead = new ReadAhead(new ManualClock());
    ahead.begin(ann, at(5), head(), true, read(6), prepare);
    expect(await ahead.take({ user: 'bob' as UserId, device }, at(5), head())).toBe(null);
    expect(await ahead.take({ ...ann, device: 'laptop' as DeviceId }, at(5), head())).toBe(null);
    expect(await ahead.take(ann, at(5), head())).toEqual({ missed: records(6), prepared, fits: true });
    expect(await ahead.take(ann, at(5), head())).toBe(null);
  });

  it('is not used for another position, or when the inbox has another generation meanwhile', async () => {
    for (const [after, of] of [
      [at(4), head()],
      [at(5, 2), head()],
      [at(5), head(2)],
      [{ ...at(5), offset: 3 }, head()],
      [{ ...at(5), cursors: new Map([[1, position(2)]]) }, head()],
    ] as const) {
      const ahead = new ReadAhead(new ManualClock());
      ahead.begin(ann, at(5), head(), true, read(6), prepare);
      expect(await ahead.take(ann, after, of)).toBe(null);
    }
  });

  it('is not of what is pulled from another place, whose reads would take the room of this one’s', async () => {
    const of = (turn: number | null, seq: number) => ({
      ...{ ...at(5), cursors: new Map([[1, position(seq)]]) },
      ...(turn === null ? {} : { turn }),
    });
    for (const [place, known] of [
      [of(7, 3), prepared],
      [of(8, 3), null],
      [of(null, 3), null],
      [of(7, 4), null],
      [of(7, 2), null],
    ] as const) {
      const ahead = new ReadAhead(new ManualClock());
      ahead.begin(ann, of(7, 3), head(), true, read(6), prepare);
      expect(await ahead.take(ann, place, head())).toEqual({ missed: records(6), prepared: known, fits: true });
    }
  });

  it('is nothing when it could not be read', async () => {
    const ahead = new ReadAhead(new ManualClock());
    ahead.begin(ann, at(5), head(), true, () => Promise.reject(new Error('away')), prepare);
    expect(await ahead.take(ann, at(5), head())).toBe(null);
  });

  it('is of records alone when nothing can be made of them: that is for the one who asks', async () => {
    const ahead = new ReadAhead(new ManualClock());
    ahead.begin(ann, at(5), head(), true, read(6), () => {
      throw new MalformedBytes('another record stands there by now');
    });
    expect(await ahead.take(ann, at(5), head())).toEqual({ missed: records(6), prepared: null, fits: true });
  });

  it('is kept of so many devices only (I9)', async () => {
    const ahead = new ReadAhead(new ManualClock());
    const users = Array.from({ length: 100 }, (_, index) => ({ user: `user-${String(index)}` as UserId, device }));
    for (const user of users) ahead.begin(user, at(5), head(), true, read(6), prepare);
    const kept = await Promise.all(users.map((user) => ahead.take(user, at(5), head())));
    expect(kept.map((found) => found !== null)).toEqual(users.map((_, index) => index >= 36));
  });

  it('is a window of so many devices only, for as long as they come for it (I9)', async () => {
    const clock = new ManualClock();
    const ahead = new ReadAhead(clock);
    const of = (index: number) => ({ user: `user-${String(index)}` as UserId, device });
    const window = { to: position(90), parts: [] };
    const [gathered, behind] = [{ window }, { ...at(5), window: { to: position(90), done: 1, given: 0 } }];
    const begin = (index: number, place: typeof behind | ReturnType<typeof at>): void => {
      ahead.begin(of(index), place, head(), true, () => Promise.resolve(gathered), prepare);
    };
    for (let index = 0; index < 15; index += 1) begin(index, behind);
    // One that is gathered now counts as soon as it is there.
    begin(15, at(5));
    expect(ahead.hasWindowRoom()).toBe(true);
    await turn();
    expect(ahead.hasWindowRoom()).toBe(false);
    begin(16, behind);
    expect(await ahead.take(of(16), behind, head())).toBe(null);
    begin(17, at(5));
    await turn();
    expect(await ahead.take(of(17), at(5), head())).toBe(null);
    // What is no window does not take the place of one, nor does one go because of others.
    for (let index = 100; index < 200; index += 1) ahead.begin(of(index), at(5), head(), true, read(6), prepare);
    expect(await ahead.take(of(0), { ...behind, window: { ...behind.window, given: 1 } }, head())).toBe(null);
    // It stays the device's while that has its answer, until it has everything.
    expect(await ahead.take(of(1), behind, head())).toMatchObject({ missed: gathered });
    expect(await ahead.take(of(1), behind, head())).toBe(null);
    expect(ahead.hasWindowRoom()).toBe(false);
    begin(1, behind);
    expect(await ahead.take(of(1), behind, head())).toMatchObject({ missed: gathered });
    ahead.end(of(1));
    expect(ahead.hasWindowRoom()).toBe(true);
    begin(18, behind);
    expect(ahead.hasWindowRoom()).toBe(false);
    clock.ms = 60_001;
    expect(ahead.hasWindowRoom()).toBe(true);
    expect(await ahead.take(of(18), behind, head())).toBe(null);
  });

  it('is used once, also by two that come while it is being read', async () => {
    const ahead = new ReadAhead(new ManualClock());
    let finish: (found: Missed) => void = () => undefined;
    const reading = new Promise<Missed>((resolve) => {
      finish = resolve;
    });
    ahead.begin(ann, at(5), head(), true, () => reading, prepare);
    const [first, second] = [ahead.take(ann, at(5), head()), ahead.take(ann, at(5), head())];
    finish(records(6));
    // Its messages are begun as well, though it was asked for before its records were there.
    expect(await first).toEqual({ missed: records(6), prepared, fits: true });
    expect(await second).toBe(null);
  });

  it('is of messages only for a moment: afterwards they may be lost, or gone', async () => {
    for (const [ms, known] of [
      [1_000, prepared],
      [1_001, null],
    ] as const) {
      const clock = new ManualClock();
      const ahead = new ReadAhead(clock);
      ahead.begin(ann, at(5), head(), true, read(6), prepare);
      await Promise.resolve();
      clock.ms = ms;
      expect(await ahead.take(ann, at(5), head())).toEqual({ missed: records(6), prepared: known, fits: true });
    }
  });

  it('is of messages for so many devices only, whose time has not passed (I9)', async () => {
    const clock = new ManualClock();
    const ahead = new ReadAhead(clock);
    const begun = async (name: string): Promise<boolean> => {
      let isRead = false;
      const note = (): Prepared => {
        isRead = true;
        return prepared;
      };
      ahead.begin({ user: name as UserId, device }, at(5), head(), true, read(6), note);
      await turn();
      return isRead;
    };
    const first = await Promise.all(Array.from({ length: 10 }, (_, index) => begun(`user-${String(index)}`)));
    expect(first).toEqual(first.map((_, index) => index < 8));
    clock.ms = 1_001;
    expect(await begun('late')).toBe(true);
  });
});
