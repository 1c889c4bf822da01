import { generation, sequenceId, type SequenceId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { InboxRecord } from '../user/inbox-entry.ts';
import { cutMissed, endOf, missedBehind, type InboxReads } from './missed.ts';
import { noCursors, type SyncToken } from './sync-token.ts';

const gen = generation(1);
const start: SyncToken = { position: { gen, seq: sequenceId(0) }, offset: 0, cursors: noCursors };

/** An inbox of so many messages, in turn of so many conversations. */
class AnInbox {
  /** Records of each read. */
  readonly reads: number[] = [];
  readonly #records: readonly InboxRecord[];
  mayGather = true;

  /** @param switched - records before the one behind which a conversation is pulled. */
  constructor(messages: number, conversations: number, switched = Number.POSITIVE_INFINITY) {
    this.#records = Array.from({ length: messages }, (_, index) => {
      const at = sequenceId(1 + Math.floor(index / conversations));
      const span = { from: at, to: at };
      const slot = 1 + (index % conversations);
      return {
        gen,
        seq: sequenceId(index + 1),
        entry: { kind: 'messages', slot, gen, ...span, behind: index === switched ? 'read' : 'write' },
      };
    });
  }

  get last(): SequenceId {
    return sequenceId(this.#records.length);
  }

  of(limit: number): InboxReads {
    return {
      ...{ last: this.last, limit },
      records: (after, most) => {
        const records = this.#records.slice(after, after + most);
        this.reads.push(records.length);
        return Promise.resolve(records);
      },
      mayGather: () => this.mayGather,
    };
  }
}

describe('what a device has missed', () => {
  it('of many conversations comes by conversation, each in one answer', async () => {
    const inbox = new AnInbox(5_000, 500);
    const { token, missed } = await missedBehind(start, inbox.of(1_000));
    expect(inbox.reads).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
    expect(endOf(token, missed)).toBe(5_000);
    const { slots, next } = cutMissed(token, missed, 1_000, noCursors);
    expect(slots).toHaveLength(100);
    // Who has not kept the window reads it once more, and goes on in it.
    const again = await missedBehind(next, inbox.of(1_000));
    expect(again).toEqual({ token: next, missed });
  });

  it('of few, or when too many windows are kept, comes as it lies there', async () => {
    const few = new AnInbox(5_000, 50);
    expect((await missedBehind(start, few.of(1_000))).missed).toHaveProperty('records.length', 1_000);
    const many = new AnInbox(5_000, 500);
    many.mayGather = false;
    expect((await missedBehind(start, many.of(1_000))).missed).toHaveProperty('records.length', 1_000);
    expect([...few.reads, ...many.reads]).toEqual([1_000, 1_000]);
  });

  it('that fits into an answer is read once', async () => {
    const inbox = new AnInbox(800, 500);
    expect((await missedBehind(start, inbox.of(1_000))).missed).toHaveProperty('records.length', 800);
    expect(inbox.reads).toEqual([800]);
  });

  it('is gathered up to a bound (I9)', async () => {
    const inbox = new AnInbox(30_000, 1_000);
    const { token, missed } = await missedBehind(start, inbox.of(1_000));
    expect(endOf(token, missed)).toBe(10_000);
  });

  it('is not read any further than a window goes', async () => {
    const inbox = new AnInbox(5_000, 500, 1_500);
    const { token, missed } = await missedBehind(start, inbox.of(1_000));
    expect(endOf(token, missed)).toBe(1_500);
    expect(inbox.reads).toEqual([1_000, 1_000]);
    const early = new AnInbox(5_000, 500, 700);
    expect((await missedBehind(start, early.of(1_000))).missed).toHaveProperty('records.length', 1_000);
    expect(early.reads).toEqual([1_000]);
  });

  it('comes as it lies there when the record that the device has a part of is another one: that is to be seen (I6)', async () => {
    const inbox = new AnInbox(5_000, 500);
    const lost = { ...start, position: { gen: generation(2), seq: sequenceId(0) }, offset: 1 };
    expect((await missedBehind(lost, inbox.of(1_000))).missed).toHaveProperty('records.length', 1_000);
  });

  it('is gathered as far as for ten answers', async () => {
    const inbox = new AnInbox(5_000, 500);
    const { token, missed } = await missedBehind(start, inbox.of(1));
    expect(endOf(token, missed)).toBe(1_000);
  });

  it('comes as it lies there when most of it is no messages', async () => {
    const records = Array.from({ length: 2_000 }, (_, index): InboxRecord => {
      const seq = sequenceId(index + 1);
      const span = { gen, from: seq, to: seq };
      const slot = 1 + (index % 7);
      const isMessage = index % 3 === 0;
      return {
        ...{ gen, seq },
        entry: isMessage ? { kind: 'messages', slot, ...span, behind: 'write' } : { kind: 'deleted', slot, seq },
      };
    });
    let read = 0;
    const reads: InboxReads = {
      ...{ last: sequenceId(2_000), limit: 10, mayGather: () => true },
      records: (after, most) => {
        read += most;
        return Promise.resolve(records.slice(after, after + most));
      },
    };
    expect((await missedBehind(start, reads)).missed).toHaveProperty('records.length', 100);
    expect(read).toBe(100);
  });

  it('comes as it lies there for a token that names a window which is none', async () => {
    const inbox = new AnInbox(5_000, 500);
    for (const to of [0, 4_999, 10_000, 100_000]) {
      const made = { ...start, window: { to: { gen: generation(2), seq: sequenceId(to) }, done: 3, given: 0 } };
      inbox.mayGather = false;
      const { token, missed } = await missedBehind(made, inbox.of(1_000));
      expect(token).toEqual(start);
      expect(missed).toHaveProperty('records.length', 1_000);
    }
  });
});
