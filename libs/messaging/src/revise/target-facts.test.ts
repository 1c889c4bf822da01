import { generation, ok, partitionId, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { encodeEntry } from '@millrace/protocol';
import type { TimelineEntry, TimelineReader } from '@millrace/timeline';
import { expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import type { CurrentReads } from './current.ts';
import { targetFacts } from './target-facts.ts';

const room = 'room' as ConversationId;
const ann = 'ann' as UserId;
const seqs = (first: number, last: number) => ({ first: sequenceId(first), last: sequenceId(last) });

it('a message that was lost is not taken for the one that has its seq since', async () => {
  // Of the first generation 5 entries survived, and the second one goes on behind them.
  const head = {
    ...{ gen: generation(2), seq: sequenceId(9), first: sequenceId(6) },
    past: [{ gen: generation(1), ...seqs(1, 5) }],
  };
  const intervals = [{ joined: sequenceId(1), from: sequenceId(1), to: null }];
  const calls = {
    partitionOf: () => partitionId(0),
    conversation: () => Promise.resolve(ok({ head, intervals })),
  } as unknown as ActorCalls;
  const entry = { from: ann, deviceTag: 0, n: 0, sentAt: 0, at: 1, msgNo: 1, countable: true } as const;
  const data = encodeEntry({ ...entry, type: 'text', body: 'said' });
  const reads: CurrentReads = {
    timelines: {
      at: (_partition, _actor, at): Promise<TimelineEntry> => Promise.resolve({ ...at, data }),
    } satisfies Partial<TimelineReader> as unknown as TimelineReader,
    records: { fields: () => Promise.resolve(new Map()) },
  };
  const asked = async (seq: number, gen?: number) => {
    const readIn = gen === undefined ? undefined : generation(gen);
    const facts = await targetFacts(calls, reads, room, ann, sequenceId(seq), readIn);
    return facts.ok ? Number(facts.value.seq) : facts.error.code;
  };
  expect([await asked(7), await asked(7, 2), await asked(7, 1)]).toEqual([7, 7, 'not_found']);
  expect([await asked(4, 1), await asked(4, 2)]).toEqual([4, 'not_found']);
});
