import { err, generation, ok, partitionId, sequenceId, type NodeId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { Attached } from '../chat-service.ts';
import { Attachments } from './attachments.ts';
import { Interest } from './interest.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const arrival = { version: 1, owner: 'a-1' as NodeId, n: 1 };
const head = (seq: number): Result<Attached, FrameError> =>
  ok({ gen: generation(1), seq: sequenceId(seq), arrival, readMode: [] });

/** Lets every promise that is resolved run on. */
const settle = (): Promise<void> => new Promise(setImmediate);

class AGateway {
  owner = 'a-1';
  readonly asked: string[] = [];
  readonly unasked: string[] = [];
  readonly told: string[] = [];
  readonly again: string[] = [];
  answers: Result<Attached, FrameError>[] = [];
  readonly later: (() => void)[] = [];
  readonly attachments = new Attachments({
    partitionOf: (user) => partitionId(user === alice ? 0 : 1),
    ownerOf: (partition) => (partition === 0 ? this.owner : 'b-1') as NodeId,
    ask: (user) => {
      this.asked.push(user);
      return Promise.resolve(this.answers.shift() ?? head(5));
    },
    again: (user) => this.again.push(user),
    unask: (user) => this.unasked.push(user),
    push: (user, { from, to, items }) => {
      expect(items).toEqual([]);
      this.told.push(`${user} ${String(from)}..${String(to)}`);
    },
    timers: {
      after: (_ms, callback) => {
        this.later.push(callback);
        return () => undefined;
      },
      soon: (callback) => this.later.push(callback),
    },
  });
}

describe('users with sockets here', () => {
  it('are asked about again where their owner changed, and their sessions learn where the inbox stands (A1)', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    await gateway.attachments.attach(bob);
    gateway.attachments.follow();
    expect(gateway.asked).toEqual(['alice', 'bob']);
    gateway.owner = 'a-2';
    gateway.answers = [head(9)];
    gateway.attachments.follow();
    await settle();
    expect(gateway.asked).toEqual(['alice', 'bob', 'alice']);
    expect(gateway.told).toEqual(['alice 10..9']);
    expect(gateway.again).toEqual(['alice']);
  });

  it('are asked about again where something their owner said was lost (A1)', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    await gateway.attachments.attach(bob);
    gateway.attachments.missed('b-1' as NodeId);
    await settle();
    expect(gateway.told).toEqual(['bob 6..5']);
  });

  it('are asked about until there is an answer, by one question at a time, and not after they have gone', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    gateway.answers = [err(frameError('unavailable', 'not now')), err(frameError('unavailable', 'not now'))];
    gateway.owner = 'a-2';
    gateway.attachments.follow();
    gateway.attachments.follow();
    await settle();
    expect(gateway.asked).toHaveLength(2);
    gateway.later.shift()?.();
    await settle();
    expect(gateway.asked).toHaveLength(3);
    gateway.attachments.detach(alice);
    gateway.later.shift()?.();
    await settle();
    expect(gateway.asked).toHaveLength(3);
    expect(gateway.unasked).toEqual(['alice']);
    expect(gateway.attachments.size).toBe(0);
  });
});

describe('a user who was missed and not asked about yet', () => {
  it('is asked about still when another session of theirs attaches meanwhile (A1)', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    gateway.answers = [err(frameError('overloaded', 'not now'))];
    gateway.owner = 'a-2';
    gateway.attachments.follow();
    await settle();
    await gateway.attachments.attach(alice);
    expect(gateway.told).toEqual([]);
    gateway.later.shift()?.();
    await settle();
    expect(gateway.told).toEqual(['alice 6..5']);
  });

  it('is asked about when something is lost after an attach of theirs was refused (A1)', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    gateway.answers = [err(frameError('overloaded', 'not now'))];
    await gateway.attachments.attach(alice);
    gateway.attachments.missed('a-1' as NodeId);
    await settle();
    expect(gateway.told).toEqual(['alice 6..5']);
  });

  it('is asked about when a view was skipped, though the owner is the same again (A1)', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    gateway.attachments.follow(true);
    await settle();
    expect(gateway.told).toEqual(['alice 6..5']);
  });
});

describe('the users of a partition that has lost its end', () => {
  it('are told where their inboxes stand, though the owner is the same (A1)', async () => {
    const gateway = new AGateway();
    await gateway.attachments.attach(alice);
    await gateway.attachments.attach(bob);
    gateway.attachments.lost(new Set([partitionId(1)]));
    await settle();
    expect(gateway.told).toEqual(['bob 6..5']);
  });
});

describe('the interest in users that live here', () => {
  it('is kept by node, and forgotten with the node, the partition or the last socket', () => {
    const interest = new Interest((user) => partitionId(user === alice ? 0 : 1));
    const [one, two] = ['one', 'two'] as [NodeId, NodeId];
    interest.add(alice, one);
    interest.add(alice, two);
    interest.add(bob, two);
    expect([...(interest.of(alice) ?? [])]).toEqual([one, two]);
    interest.remove(alice, one);
    interest.forgetNode(two);
    expect(interest.size).toBe(0);
    interest.add(alice, one);
    interest.add(bob, one);
    interest.keepOnly(new Set([partitionId(1)]));
    expect([interest.of(alice), interest.of(bob)?.size]).toEqual([undefined, 1]);
  });
});
