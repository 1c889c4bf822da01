import {
  generation,
  ok,
  partitionId,
  sequenceId,
  type ConversationId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import { emptyHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ConversationHead } from '../conversation/commands.ts';
import { Heads, type HeadsHere } from './heads.ts';
import type { NodeQuestion } from './node-messages.ts';

const ann = 'ann' as UserId;
const [self, other, third] = ['n1', 'n2', 'n3'] as NodeId[] as [NodeId, NodeId, NodeId];
const room = (index: number): ConversationId => `room${String(index)}` as ConversationId;

const headAt = (seq: number): ConversationHead => ({
  head: { ...emptyHead(generation(1)), seq: sequenceId(seq) },
  ...{ msgNo: seq, lastAt: 0, segments: [], intervals: [], sent: 0 },
  reading: { readSeq: sequenceId(0), readMsgNo: 0, sentAtRead: 0 },
});

/** Rooms in as many partitions as their number says, over nodes that the test names. */
class ACluster {
  readonly asked: [NodeId, number][] = [];
  readonly here: number[] = [];
  owners: (NodeId | null)[] = [self, other, other];
  /** What a node answers, by its own mind; null when it does not. */
  answer = (_node: NodeId, rooms: readonly number[]): HeadsHere | null => rooms.map((each) => headAt(each));
  /** Whether it is told at once. */
  rests = (room: number): boolean => room % 2 === 0;
  nowMs = 0;
  readonly heads = new Heads({
    self,
    clock: { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs },
    timers: {
      after: (delayMs, callback) => {
        this.nowMs += delayMs;
        queueMicrotask(callback);
        return () => undefined;
      },
      soon: queueMicrotask,
    },
    partitionOf: (key) => partitionId(Number(/\d+$/.exec(key)) % this.owners.length),
    ownerOf: (partition) => this.owners[partition] ?? null,
    ask: (_msMax, to, question: NodeQuestion) => {
      if (question.q !== 'heads') throw new Error('nothing else is asked');
      const rooms = question.conversations.map((each) => Number(/\d+$/.exec(each)));
      this.asked.push([to, rooms.length]);
      const answer = this.answer(to, rooms);
      return Promise.resolve(answer === null ? null : ok(answer));
    },
    here: (_partition, conversation) => {
      const index = Number(/\d+$/.exec(conversation));
      this.here.push(index);
      return this.rests(index) ? headAt(index) : Promise.resolve(headAt(index));
    },
  });

  ask(count: number) {
    return this.heads.of(
      ann,
      Array.from({ length: count }, (_, index) => room(index)),
    );
  }
}

const seqsOf = async (asked: ReturnType<ACluster['ask']>): Promise<readonly (number | null)[]> => {
  const found = await asked;
  if (!found.ok) throw new Error(found.error.message);
  return [...found.value].map(([, head]) => head?.head.seq ?? null).sort((one, two) => (one ?? 0) - (two ?? 0));
};

describe('where many conversations stand', () => {
  it('is asked of each node once, and of this one without a question', async () => {
    const cluster = new ACluster();
    const numbers = Array.from({ length: 300 }, (_, index) => index);
    expect(await seqsOf(cluster.ask(300))).toEqual(numbers);
    expect(cluster.asked).toEqual([[other, 200]]);
    expect(cluster.here).toHaveLength(100);
    // All of them rest here.
    [cluster.owners, cluster.rests] = [[self], () => true];
    expect(await seqsOf(cluster.ask(20))).toEqual(numbers.slice(0, 20));
  });

  it('is asked again of the next owner, when a node has not got it any more or is gone', async () => {
    const cluster = new ACluster();
    cluster.answer = (node, rooms) => {
      if (node === third) return rooms.map((each) => headAt(each));
      cluster.owners = [self, third, third];
      return rooms.map((each) => (each === 1 ? headAt(1) : 'not_here'));
    };
    expect(await seqsOf(cluster.ask(6))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cluster.asked).toEqual([
      [other, 4],
      [third, 3],
    ]);
    const gone = new ACluster();
    gone.answer = (node, rooms) => {
      gone.owners = [self, third, third];
      return node === third ? rooms.map((each) => headAt(each)) : null;
    };
    expect(await seqsOf(gone.ask(3))).toEqual([0, 1, 2]);
  });

  it('that nobody can tell is said after a while (I9)', async () => {
    const cluster = new ACluster();
    cluster.owners = [self, null, other];
    expect(await cluster.ask(3)).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(cluster.nowMs).toBeGreaterThanOrEqual(10_000);
    expect(cluster.nowMs).toBeLessThan(11_000);
    // What was answered once is not asked again.
    expect(cluster.asked).toEqual([[other, 1]]);
  });

  it('goes in several questions when it is of very many', async () => {
    const cluster = new ACluster();
    cluster.owners = [other];
    expect(await seqsOf(cluster.ask(2_500))).toHaveLength(2_500);
    expect(cluster.asked).toEqual([
      [other, 1_000],
      [other, 1_000],
      [other, 500],
    ]);
  });
});
