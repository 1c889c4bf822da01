import {
  err,
  generation,
  ok,
  partitionId,
  sequenceId,
  utf8,
  type Generation,
  type PartitionId,
} from '@millrace/kernel';
import type { FeedEntry } from '@millrace/partition';
import { encodeEntry, frameError } from '@millrace/protocol';
import type { TimelineReader } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { encodeFeed } from '../diffuse/changefeed-entry.ts';
import type { Effect } from '../effects.ts';
import { HandTimers } from '../testing/hand-timers.ts';
import { Recovery } from './recovery.ts';

const settle = async (): Promise<void> => {
  for (let step = 0; step < 400; step += 1) await Promise.resolve();
};

const message = encodeEntry({
  from: 'ann' as never,
  deviceTag: 0,
  n: 1,
  sentAt: 0,
  at: 9,
  type: 'text',
  body: 'x',
  msgNo: 3,
  countable: true,
});

/** Two partitions: `0` has the conversations, `1` the users whose name begins with `u`. */
class ANode {
  readonly recovering = new Map<PartitionId, Generation>([[partitionId(1), generation(2)]]);
  readonly recovered: string[] = [];
  readonly delivered: string[] = [];
  readonly failed: unknown[] = [];
  feed: FeedEntry[] = [];
  /** Whether the store, or the actors, can be asked. */
  isStoreAway = false;
  isAway = false;
  readonly #timers = new HandTimers();
  readonly recovery: Recovery;

  constructor() {
    const head = { gen: generation(1), seq: sequenceId(7), first: sequenceId(1), past: [] };
    const facts = { conversation: 'x', kind: 'group', title: '' };
    const known = {
      last: sequenceId(7),
      sent: 0,
      member: true,
      stays: 1,
      readSeq: sequenceId(1),
      readMsgNo: 0,
      sentAtRead: 0,
    };
    const away = err(frameError('unavailable', 'away'));
    const calls = {
      partitionOf: () => partitionId(0),
      conversation: (id: string, command: { readonly t: string; readonly users?: readonly string[] }) => {
        if (this.isAway) return Promise.resolve(away);
        if (command.t === 'audience')
          return Promise.resolve(
            ok({ facts, head, segments: [], members: ['ann', 'u1', 'u2'].map((user) => ({ user, intervals: [] })) }),
          );
        return Promise.resolve(
          ok({
            head,
            facts: { ...facts, conversation: id },
            members: (command.users ?? []).map((user) => [user, known]),
          }),
        );
      },
      user: (user: string, { items }: { readonly items: readonly { readonly conversation: string }[] }) => {
        this.delivered.push(...items.map(({ conversation }) => `${user} in ${conversation}`));
        return Promise.resolve(ok(null));
      },
    } as unknown as ActorCalls;
    this.recovery = new Recovery({
      partitionCount: 2,
      calls,
      timelines: { at: () => Promise.resolve({ ...head, data: message }) } as unknown as TimelineReader,
      timers: this.#timers,
      partitionOf: (key) => partitionId(key.startsWith('u:u') ? 1 : 0),
      readFeed: (source, after, limit) => {
        if (this.isStoreAway) return Promise.resolve(err({ code: 'unavailable', message: 'away' }));
        const entries = source === 0 ? this.feed.filter(({ commitNo }) => commitNo > after).slice(0, limit) : [];
        return Promise.resolve(ok(entries));
      },
      recovering: () => this.recovering,
      recovered: (partition, gen) => {
        this.recovered.push(`${String(partition)} of ${String(gen)}`);
        this.recovering.delete(partition);
      },
      failed: (_, error) => {
        this.failed.push(error);
      },
    });
  }

  commit(commitNo: number, ...conversations: string[]): void {
    const effects = conversations.map((conversation): Effect => ({
      e: 'read',
      conversation: conversation as never,
      user: 'ann' as never,
      gen: generation(1),
      readSeq: sequenceId(1),
      readMsgNo: 0,
      sentAtRead: 0,
      sent: null,
    }));
    this.feed.push({ commitNo, data: encodeFeed(effects) ?? new Uint8Array() });
  }

  async later(): Promise<void> {
    this.#timers.elapse();
    await settle();
  }
}

describe('a partition that lost its end', () => {
  it('has every conversation that changefeeds tell of say how far its users are (V1)', async () => {
    const node = new ANode();
    for (let commitNo = 1; commitNo <= 600; commitNo += 1) node.commit(commitNo, commitNo === 599 ? 'z' : 'x', 'y');
    void node.recovery.run();
    await settle();
    const expected = ['x', 'y', 'z'].flatMap((conversation) => [`u1 in ${conversation}`, `u2 in ${conversation}`]);
    expect(node.delivered.sort()).toEqual(expected.sort());
    expect(node.recovered).toEqual(['1 of 2']);
  });

  it('has not recovered before all of them answered', async () => {
    const node = new ANode();
    node.commit(1, 'x');
    node.isStoreAway = true;
    void node.recovery.run();
    await settle();
    node.isStoreAway = false;
    node.isAway = true;
    await node.later();
    await node.later();
    expect([node.delivered, node.recovered]).toEqual([[], []]);
    node.isAway = false;
    await node.later();
    expect([node.delivered.length, node.recovered.length]).toEqual([2, 1]);
  });

  it('that is another node’s by now is not asked about any more', async () => {
    const node = new ANode();
    node.commit(1, 'x');
    node.isAway = true;
    void node.recovery.run();
    await settle();
    node.recovering.clear();
    node.isAway = false;
    await node.later();
    expect(node.delivered).toEqual([]);
    node.recovering.set(partitionId(1), generation(3));
    void node.recovery.run();
    await settle();
    expect(node.recovered.at(-1)).toBe('1 of 3');
  });

  it('goes past a changefeed entry that cannot be read, and says so', async () => {
    const node = new ANode();
    node.feed.push({ commitNo: 1, data: utf8('?') });
    void node.recovery.run();
    await settle();
    expect(node.failed).toHaveLength(1);
    expect(node.recovered).toEqual(['1 of 2']);
  });

  it('is nothing to a node that has none', async () => {
    const node = new ANode();
    node.recovering.clear();
    node.isStoreAway = true;
    await node.recovery.run();
    expect(node.recovered).toEqual([]);
  });
});
