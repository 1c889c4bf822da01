import { generation, ok, partitionId, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import {
  cutBefore,
  emptyHead,
  type RecordReader,
  Superseded,
  type AnsweredAt,
  type RangeQuery,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { answered } from '../answered.ts';
import type { CurrentReads } from '../revise/current.ts';
import { visible } from '../conversation/queries.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { history } from './history.ts';
import { ANSWER_BYTES_MAX } from './read-messages.ts';

const gen = generation(1);
const room = 'room' as ConversationId;
const at = (seq: number) => ({ gen, seq: sequenceId(seq) });

/** Of one who was in from 1 to 5, and is in again since 10. */
const calls = {
  partitionOf: () => partitionId(0),
  conversation: () => {
    const stay = (from: number, to: number | null) => ({
      ...{ joined: sequenceId(from), from: sequenceId(from), to: to === null ? null : sequenceId(to) },
    });
    return Promise.resolve(
      ok({ head: { ...emptyHead(gen), seq: sequenceId(12) }, intervals: [stay(1, 5), stay(10, null)] }),
    );
  },
} as unknown as ActorCalls;

/** Both stays are read at once, and the first one finds that what it has read is as much as may be answered. */
const readsWith = (cutTo: number): CurrentReads => ({
  timelines: {
    range: (_partition: unknown, _actor: unknown, { from, to, budget }: RangeQuery) => {
      const [first, last] = [Math.min(from.seq, to.seq), Math.max(from.seq, to.seq)];
      const isCut = first === 1 && cutTo < last;
      const entries: TimelineEntry[] = [];
      for (let seq = first; seq <= (isCut ? cutTo : last); seq += 1)
        entries.push({ ...at(seq), data: new Uint8Array(1) });
      if (isCut) budget?.draw(ANSWER_BYTES_MAX + 1);
      return Promise.resolve(entries);
    },
  } as unknown as TimelineReader,
  records: { fields: () => Promise.resolve(new Map<string, Uint8Array>()) },
});

async function pageOf(cutTo: number) {
  const query = { conversation: room, direction: 'forward' as const, limit: 50 };
  const page = await history(calls, readsWith(cutTo), 'ann' as UserId, query);
  if (!page.ok) throw new Error(page.error.message);
  return { seqs: page.value.messages.map(({ seq }) => Number(seq)), hasMore: page.value.hasMore };
}

describe('a page over two stays', () => {
  it('has both where they fit', async () => {
    expect(await pageOf(5)).toEqual({ seqs: [1, 2, 3, 4, 5, 10, 11, 12], hasMore: false });
  });

  it('ends where the first one was cut short, and says that there is more: a hole would never be filled (I7, I9)', async () => {
    expect(await pageOf(2)).toEqual({ seqs: [1, 2], hasMore: true });
  });
});

describe('a page of what is let go while it is read', () => {
  it('begins where the Timeline begins by then (I8)', async () => {
    let first = 1;
    const moving = {
      partitionOf: () => partitionId(0),
      conversation: () => {
        const head = cutBefore({ ...emptyHead(gen), seq: sequenceId(12) }, sequenceId(first));
        return Promise.resolve(ok({ head, intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: null }] }));
      },
    } as unknown as ActorCalls;
    const reads: CurrentReads = {
      timelines: {
        range: (_partition: unknown, _actor: unknown, { from, to }: RangeQuery) => {
          first = 8;
          const kept: TimelineEntry[] = [];
          for (let seq = Math.max(first, from.seq); seq <= to.seq; seq += 1)
            kept.push({ ...at(seq), data: new Uint8Array(1) });
          return Promise.resolve(kept);
        },
      } as unknown as TimelineReader,
      records: { fields: () => Promise.resolve(new Map<string, Uint8Array>()) },
    };
    const query = { conversation: room, direction: 'forward' as const, limit: 50 };
    const page = await answered(() => history(moving, reads, 'ann' as UserId, query));
    if (!page.ok) throw new Error(page.error.message);
    expect(page.value).toMatchObject({ first: 8, hasMore: false });
    expect(page.value.messages.map(({ seq }) => Number(seq))).toEqual([8, 9, 10, 11, 12]);
  });
});

describe('a page whose conversation was told of by who is not its owner any more', () => {
  it('is read once more, to what the next owner tells (P5)', async () => {
    const heads = [12, 13];
    const moving = {
      partitionOf: () => partitionId(0),
      conversation: () => {
        const head = { ...emptyHead(gen), seq: sequenceId(heads.shift() ?? 0) };
        const intervals = [{ joined: sequenceId(1), from: sequenceId(1), to: null }];
        return Promise.resolve(ok({ head, intervals, at: { token: `${String(head.seq)}:owner`, commitNo: 3 } }));
      },
    } as unknown as ActorCalls;
    const asked: (AnsweredAt | undefined)[] = [];
    const reads: CurrentReads = {
      timelines: {
        range: (_partition: unknown, _actor: unknown, { from, to }: RangeQuery) => {
          const entries: TimelineEntry[] = [];
          for (let { seq } = from; seq <= to.seq; seq = sequenceId(seq + 1))
            entries.push({ ...at(seq), data: new Uint8Array(1) });
          return Promise.resolve(entries);
        },
      } as unknown as TimelineReader,
      records: {
        fields: (_partition, _actor, _names, since) => {
          asked.push(since);
          return asked.length === 1 ? Promise.reject(new Superseded('by now')) : Promise.resolve(new Map());
        },
      },
    };
    const query = { conversation: room, direction: 'forward' as const, from: sequenceId(12), limit: 2 };
    const page = await answered(() => history(moving, reads, 'ann' as UserId, query));
    expect(page).toMatchObject({ ok: true, value: { head: { seq: 13 } } });
    expect(asked).toEqual([
      { token: '12:owner', commitNo: 3 },
      { token: '13:owner', commitNo: 3 },
    ]);
  });
});

describe('a page of messages that were short once', () => {
  it('holds as many as fit with what they say now: edits make them longer (I9)', async () => {
    const talk = new AConversation('g').created(['a']);
    for (let sent = 0; sent < 60; sent += 1) talk.do(talk.sendOf('a'));
    for (let seq = 2; seq <= 61; seq += 1) {
      const facts = talk.factsOf(seq, 'a');
      if (facts === null) throw new Error('it was sent');
      talk.do(talk.changeOf('a', { op: 'edit', body: 'x'.repeat(30_000) }, facts));
    }
    const entries = talk.stored.entries.map((data, index): TimelineEntry => ({ ...at(index + 1), data }));
    const asked = {
      partitionOf: () => partitionId(0),
      conversation: () => Promise.resolve(visible(talk.state, { user: 'a' as UserId })),
    } as unknown as ActorCalls;
    const timelines: Partial<TimelineReader> = {
      range: (_partition, _actor, { from, to }) => Promise.resolve(entries.slice(from.seq - 1, to.seq)),
      at: (_partition, _actor, { seq }) => Promise.resolve(entries[seq - 1] ?? null),
    };
    const records: RecordReader = {
      fields: (_partition, _actor, names) =>
        Promise.resolve(new Map([...talk.beside.fields].filter(([name]) => names.includes(name)))),
    };
    const reads: CurrentReads = { timelines: timelines as TimelineReader, records };
    const seqs: number[] = [];
    for (let from: number | null = 1; from !== null && from <= 61;) {
      const query = { conversation: room, direction: 'forward' as const, limit: 62 - from, from: sequenceId(from) };
      const page = await history(asked, reads, 'a' as UserId, query);
      if (!page.ok) throw new Error(page.error.message);
      const { messages } = page.value;
      expect(messages.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThanOrEqual(ANSWER_BYTES_MAX);
      expect(page.value.hasMore).toBe(true);
      seqs.push(...messages.map(({ seq }) => Number(seq)));
      from = messages.length === 0 ? null : (seqs.at(-1) ?? 0) + 1;
    }
    expect(seqs).toEqual(Array.from({ length: 61 }, (_, index) => index + 1));
  });
});
