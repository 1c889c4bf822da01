import { generation, MalformedBytes, partitionId, sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import { emptyHead, type TimelineReader } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { AnswerReads } from './answer-reads.ts';
import type { Missed } from './missed.ts';
import { ReadAhead } from './read-ahead.ts';

const device = 'phone' as DeviceId;
const ann = { user: 'ann' as UserId, device };
const position = (seq: number, gen = 1) => ({ gen: generation(gen), seq: sequenceId(seq) });
const at = (seq: number, gen = 1) => ({ position: position(seq, gen) });
const head = (gen = 1) => ({ ...emptyHead(generation(gen)), seq: sequenceId(100) });
const records = (seq: number): Missed => ({ records: [{ ...position(seq), entry: { kind: 'break' } }] });
const read = (seq: number) => () => Promise.resolve(records(seq));
const messages = new AnswerReads({ partitionOf: () => partitionId(0) } as unknown as ActorCalls, {} as TimelineReader);
const readMessages = (): AnswerReads => messages;

class ManualClock {
  ms = 0;
  nowMs = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

describe('what is read ahead', () => {
  it('is used once, by the one that it is for', async () => {
    const ahead = new ReadAhead(new ManualClock());
    ahead.begin(ann, at(5), head(), true, read(6), readMessages);
    expect(await ahead.take({ user: 'bob' as UserId, device }, at(5), head())).toBe(null);
    expect(await ahead.take({ ...ann, device: 'laptop' as DeviceId }, at(5), head())).toBe(null);
    expect(await ahead.take(ann, at(5), head())).toEqual({ missed: records(6), messages, fits: true });
    expect(await ahead.take(ann, at(5), head())).toBe(null);
  });

  it('is not used for another position, or when the inbox has another generation meanwhile', async () => {
    for (const [after, of] of [
      [at(4), head()],
      [at(5, 2), head()],
      [at(5), head(2)],
    ] as const) {
      const ahead = new ReadAhead(new ManualClock());
      ahead.begin(ann, at(5), head(), true, read(6), readMessages);
      expect(await ahead.take(ann, after, of)).toBe(null);
    }
  });

  it('is nothing when it could not be read', async () => {
    const ahead = new ReadAhead(new ManualClock());
    ahead.begin(ann, at(5), head(), true, () => Promise.reject(new Error('away')), readMessages);
    expect(await ahead.take(ann, at(5), head())).toBe(null);
  });

  it('is of records alone when nothing can be made of them: that is for the one who asks', async () => {
    const ahead = new ReadAhead(new ManualClock());
    ahead.begin(ann, at(5), head(), true, read(6), () => {
      throw new MalformedBytes('another record stands there by now');
    });
    expect(await ahead.take(ann, at(5), head())).toEqual({ missed: records(6), messages: null, fits: true });
  });

  it('is kept of so many devices only (I9)', async () => {
    const ahead = new ReadAhead(new ManualClock());
    const users = Array.from({ length: 100 }, (_, index) => ({ user: `user-${String(index)}` as UserId, device }));
    for (const user of users) ahead.begin(user, at(5), head(), true, read(6), readMessages);
    const kept = await Promise.all(users.map((user) => ahead.take(user, at(5), head())));
    expect(kept.map((found) => found !== null)).toEqual(users.map((_, index) => index >= 36));
  });

  it('is used once, also by two that come while it is being read', async () => {
    const ahead = new ReadAhead(new ManualClock());
    let finish: (found: Missed) => void = () => undefined;
    const reading = new Promise<Missed>((resolve) => {
      finish = resolve;
    });
    ahead.begin(ann, at(5), head(), true, () => reading, readMessages);
    const [first, second] = [ahead.take(ann, at(5), head()), ahead.take(ann, at(5), head())];
    finish(records(6));
    // Its messages are begun as well, though it was asked for before its records were there.
    expect(await first).toEqual({ missed: records(6), messages, fits: true });
    expect(await second).toBe(null);
  });

  it('is of messages only for a moment: afterwards they may be lost, or gone', async () => {
    for (const [ms, known] of [
      [1_000, messages],
      [1_001, null],
    ] as const) {
      const clock = new ManualClock();
      const ahead = new ReadAhead(clock);
      ahead.begin(ann, at(5), head(), true, read(6), readMessages);
      await Promise.resolve();
      clock.ms = ms;
      expect(await ahead.take(ann, at(5), head())).toEqual({ missed: records(6), messages: known, fits: true });
    }
  });

  it('is of messages for so many devices only, whose time has not passed (I9)', async () => {
    const clock = new ManualClock();
    const ahead = new ReadAhead(clock);
    const begun = async (name: string): Promise<boolean> => {
      let isRead = false;
      const note = (): AnswerReads => {
        isRead = true;
        return messages;
      };
      ahead.begin({ user: name as UserId, device }, at(5), head(), true, read(6), note);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      return isRead;
    };
    const first = await Promise.all(Array.from({ length: 10 }, (_, index) => begun(`user-${String(index)}`)));
    expect(first).toEqual(first.map((_, index) => index < 8));
    clock.ms = 1_001;
    expect(await begun('late')).toBe(true);
  });
});
