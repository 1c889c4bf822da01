import { ok, partitionId, type NodeId, type PartitionId, type Timers, type UserId } from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import type { ActorKey } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { Way } from '../trace/message-trace.ts';
import type { NodeAnswer, ActorRequest } from './node-messages.ts';
import { Router, type RouterLimits } from './router.ts';

const NODES = ['a', 'b', 'c'] as const;
type Name = (typeof NODES)[number];
const runOf = (name: string): NodeId => `${name}-1` as NodeId;
const PARTITIONS = 2;

interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

const partitionOfKey = (key: ActorKey): PartitionId => partitionId(Number(/[0-9]+$/.exec(key)) % PARTITIONS);

/** Time that runs on by itself, from one planned callback to the next. */
class PlannedTime {
  nowMs = 0;
  #order = 0;
  #planned: Planned[] = [];

  readonly timers: Timers = {
    after: (delayMs, callback) => {
      this.plan(delayMs, callback);
      return () => {
        this.#planned = this.#planned.filter((each) => each.callback !== callback);
      };
    },
    soon: (callback) => {
      this.plan(0, callback);
    },
  };

  plan(delayMs: number, callback: () => void): void {
    this.#order += 1;
    this.#planned.push({ atMs: this.nowMs + delayMs, order: this.#order, callback });
  }

  run(untilMs: number): void {
    for (;;) {
      const [next] = this.#planned.sort((left, right) => left.atMs - right.atMs || left.order - right.order);
      if (next === undefined || next.atMs > untilMs) break;
      this.#planned = this.#planned.filter((each) => each !== next);
      this.nowMs = next.atMs;
      next.callback();
    }
    this.nowMs = untilMs;
  }
}

interface Sent {
  readonly version: number;
  readonly request: ActorRequest;
  readonly answer: (outcome: NodeAnswer) => void;
}

/** A node that serves what the newest view that it has gives it, and lets wait what was sent by a newer one. */
class ANode {
  version = 0;
  owners: ReadonlyMap<PartitionId, Name> = new Map();
  readonly name: Name;
  #parked: Sent[] = [];

  constructor(name: Name) {
    this.name = name;
  }

  learn(version: number, owners: ReadonlyMap<PartitionId, Name>, handle: (sent: Sent) => void): void {
    if (version <= this.version) return;
    this.version = version;
    this.owners = owners;
    const ready = this.#parked.filter((sent) => sent.version <= version);
    this.#parked = this.#parked.filter((sent) => sent.version > version);
    for (const sent of ready) handle(sent);
  }

  /** @returns whether it is to be handled now. */
  admits(sent: Sent): boolean {
    if (sent.version <= this.version) return true;
    this.#parked.push(sent);
    return false;
  }
}

/** Three nodes, of which the first routes. Each hears of a view when it hears of it. */
class ACluster {
  readonly time = new PlannedTime();
  readonly router: Router;
  /** What was carried out, in order, by partition. */
  readonly done = new Map<PartitionId, number[]>();
  readonly answers = new Map<number, AnyReply[]>();
  /** How each command came to the owner that answered it, in the order of the answers. */
  readonly ways: Way[] = [];
  /** How much longer the nodes take to answer what they have carried out, or refused; Infinity: they do not. */
  answerMs: (number: number) => number = () => 0;
  readonly #nodes = new Map(NODES.map((name) => [name, new ANode(name)]));
  readonly #delay: Iterator<number>;
  /** Of each way to a node and back, what comes later arrives later. */
  readonly #arrives = new Map<string, number>();
  #owners: ReadonlyMap<PartitionId, Name> = new Map();
  #version = 0;

  constructor(delay: Iterator<number>, limits: Partial<RouterLimits> = {}) {
    this.#delay = delay;
    this.router = new Router({
      self: runOf('a'),
      partitionOf: partitionOfKey,
      clock: { nowMs: () => this.time.nowMs, monotonicMs: () => this.time.nowMs },
      timers: this.time.timers,
      limits: { waitingMax: 1_000, waitMsMax: 60_000, retryMs: 10, ...limits },
      local: (_partition, request, answer) => {
        this.#carry('a', request, answer, 0);
      },
      remote: (to, request, answer) => {
        this.#carry(to.slice(0, 1) as Name, request, answer, 1 + this.#random(20));
      },
      routed: (command, reply, way) => this.ways.push(way),
    });
  }

  #random(below: number): number {
    return Number(this.#delay.next().value) % below;
  }

  #later(way: string, delayMs: number, callback: () => void): void {
    const atMs = Math.max(this.time.nowMs + delayMs, this.#arrives.get(way) ?? 0);
    this.#arrives.set(way, atMs);
    this.time.plan(atMs - this.time.nowMs, callback);
  }

  #carry(to: Name, request: ActorRequest, answer: (outcome: NodeAnswer) => void, ms: number): void {
    const sent = { version: this.router.view?.version ?? 0, request, answer };
    this.#later(`to ${to}`, ms, () => {
      if (this.#nodes.get(to)?.admits(sent) === true) this.#handle(to, sent, ms);
    });
  }

  #handle(to: Name, { request, answer }: Sent, ms: number): void {
    if (request.q === 'attach') {
      this.#later(`from ${to}`, ms + this.answerMs(0), () => {
        answer(ok(null));
      });
      return;
    }
    const { command, key } = request as unknown as { readonly command: number; readonly key: ActorKey };
    const partition = partitionOfKey(key);
    const isServed = this.#nodes.get(to)?.owners.get(partition) === to;
    if (isServed) this.done.set(partition, [...(this.done.get(partition) ?? []), command]);
    const answerMs = this.answerMs(command);
    if (answerMs === Infinity) return;
    this.#later(`from ${to}`, ms + answerMs, () => {
      answer(isServed ? ok(command) : 'not_owner');
    });
  }

  move(partition: PartitionId, to: Name): void {
    const owners = new Map([...this.#owners, [partition, to] as const]);
    this.#owners = owners;
    this.#version += 1;
    const version = this.#version;
    const view: ClusterView = {
      version,
      members: NODES.map((name) => ({
        name,
        node: runOf(name),
        roles: ['actors'],
        isDraining: false,
        url: '',
        socketUrl: '',
      })),
      since: Array.from({ length: PARTITIONS }, () => version),
      before: Array.from({ length: PARTITIONS }, () => 0),
      owners: Array.from({ length: PARTITIONS }, (_, index) => owners.get(partitionId(index)) ?? null),
    };
    for (const [name, node] of this.#nodes) {
      this.time.plan(this.#random(60), () => {
        if (name === 'a' && version > (this.router.view?.version ?? 0)) this.router.follow(view);
        node.learn(version, owners, (sent) => {
          this.#handle(name, sent, 5);
        });
      });
    }
  }

  post(key: ActorKey, number: number, priority: 'client' | 'follow-up' = 'client'): void {
    const heard = (reply: AnyReply): void => {
      this.answers.set(number, [...(this.answers.get(number) ?? []), reply]);
    };
    this.router.post(key, number as unknown as AnyCommand, heard, priority);
  }
}

const keyOf = (partition: number): ActorKey => `c:${String(partition)}` as ActorKey;

describe('the router', () => {
  it('brings commands to whoever owns their partition, in order and each once, over any change of owner (R1)', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('post' as const), partition: fc.nat(PARTITIONS - 1) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('move' as const),
          partition: fc.nat(PARTITIONS - 1),
          to: fc.constantFrom(...NODES),
        }),
      },
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, fc.nat(15)), { maxLength: 120, size: 'max' }),
        fc.infiniteStream(fc.nat()),
        (steps, delay) => {
          const cluster = new ACluster(delay);
          const posted = new Map<PartitionId, number[]>();
          let number = 0;
          let atMs = 0;
          const all = [
            ...[0, 1].map((partition) => [{ do: 'move' as const, partition, to: 'a' as const }, 0] as const),
            ...steps,
          ];
          for (const [each, ms] of all) {
            // Nobody has a partition taken away and given back within one round trip.
            atMs += each.do === 'move' ? 250 : ms;
            cluster.time.plan(atMs, () => {
              const partition = partitionId(each.partition);
              if (each.do === 'move') cluster.move(partition, each.to);
              else {
                number += 1;
                posted.set(partition, [...(posted.get(partition) ?? []), number]);
                cluster.post(keyOf(each.partition), number);
              }
            });
          }
          cluster.time.run(20_000);
          for (const [partition, numbers] of posted) {
            expect(cluster.done.get(partition)).toEqual(numbers);
            for (const each of numbers) expect(cluster.answers.get(each)).toEqual([ok(each)]);
          }
          expect(cluster.router.waiting).toBe(0);
        },
      ),
    );
  });

  it('says of each command that was answered how it came to its owner, and that it waited for one', () => {
    const cluster = new ACluster(Array.from({ length: 200 }, () => 7)[Symbol.iterator](), { retryMs: 10 });
    cluster.post(keyOf(0), 1);
    cluster.time.plan(95, () => {
      cluster.move(partitionId(0), 'b');
      cluster.move(partitionId(0), 'c');
    });
    cluster.time.plan(300, () => {
      cluster.post(keyOf(0), 2);
    });
    cluster.time.run(2_000);
    expect([1, 2].map((number) => cluster.answers.get(number)?.length)).toEqual([1, 1]);
    expect(cluster.ways.map(({ to }) => to)).toEqual(['c-1', 'c-1']);
    const [first, second] = cluster.ways;
    expect(first?.postedMs).toBe(0);
    expect(first?.askedMs).toBeGreaterThanOrEqual(95);
    expect(first?.tries).toBeGreaterThanOrEqual(1);
    expect(second).toEqual({ to: 'c-1', postedMs: 300, askedMs: 300, answeredMs: 316, tries: 1 });
  });

  it('refuses what waits too long, and what is too much, and keeps nothing of it (R3)', () => {
    const cluster = new ACluster([][Symbol.iterator](), { waitingMax: 3, waitMsMax: 100 });
    for (let number = 1; number <= 5; number += 1) cluster.post(keyOf(0), number);
    expect(cluster.router.waiting).toBe(3);
    cluster.time.run(50);
    expect([4, 5].map((number) => cluster.answers.get(number))).toMatchObject([
      [{ ok: false, error: { code: 'overloaded' } }],
      [{ ok: false, error: { code: 'overloaded' } }],
    ]);
    expect(cluster.answers.has(1)).toBe(false);
    cluster.time.run(200);
    for (const number of [1, 2, 3]) {
      expect(cluster.answers.get(number)).toMatchObject([{ ok: false, error: { code: 'unavailable' } }]);
    }
    expect(cluster.router.waiting).toBe(0);
  });

  describe('whose owner does not answer (R4)', () => {
    const slow = (): ACluster => {
      const cluster = new ACluster(Array.from({ length: 500 }, () => 7)[Symbol.iterator](), { waitMsMax: 1_000 });
      cluster.move(partitionId(0), 'b');
      cluster.time.run(200);
      cluster.answerMs = () => 5_000;
      return cluster;
    };

    it('answers within the deadline that the outcome is not known, and drops the answer that comes later', () => {
      const cluster = slow();
      cluster.post(keyOf(0), 1);
      cluster.time.run(1_100);
      expect(cluster.answers.has(1)).toBe(false);
      cluster.time.run(1_500);
      const refusal = { ok: false, error: { code: 'unavailable', retry: 'later' } };
      expect(cluster.answers.get(1)).toMatchObject([refusal]);
      expect(JSON.stringify(cluster.answers.get(1))).toContain('what became of it is not known');
      cluster.time.run(20_000);
      expect(cluster.done.get(partitionId(0))).toEqual([1]);
      expect(cluster.answers.get(1)).toHaveLength(1);
      // It was carried out all the same, and whoever asks what became of it is told so.
      expect(cluster.ways).toHaveLength(1);
    });

    it('waits for one that is slow, and has granted what came before (R5)', () => {
      const cluster = slow();
      // The last of them after more than five times the deadline.
      cluster.answerMs = (number) => (number === 1 ? 0 : 900 + (number - 2) * 800);
      cluster.post(keyOf(0), 1);
      cluster.time.run(300);
      for (let number = 2; number <= 8; number += 1) cluster.post(keyOf(0), number);
      cluster.time.run(20_000);
      for (let number = 1; number <= 8; number += 1) expect(cluster.answers.get(number)).toEqual([ok(number)]);
      expect(cluster.ways.at(-1)?.postedMs).toBe(300);
    });

    it('waits longer, but not for ever, for a partition that stands still on a node that does not', () => {
      const cluster = slow();
      cluster.move(partitionId(1), 'b');
      cluster.time.run(400);
      cluster.answerMs = (number) => (number === 1 ? Infinity : 0);
      cluster.post(keyOf(0), 1);
      for (let atMs = 500; atMs < 20_000; atMs += 500) {
        cluster.time.plan(atMs - 400, () => {
          cluster.post(keyOf(1), 1_000 + atMs);
        });
      }
      cluster.time.run(3_300);
      expect(cluster.answers.has(1)).toBe(false);
      cluster.time.run(3_800);
      expect(cluster.answers.get(1)).toMatchObject([{ ok: false, error: { code: 'unavailable' } }]);
    });

    it('goes by what a node has granted since it came back, when it was in no view for a while', () => {
      const cluster = slow();
      cluster.move(partitionId(1), 'b');
      cluster.time.run(400);
      cluster.answerMs = () => 0;
      for (const index of [0, 1]) cluster.post(keyOf(index), index);
      cluster.time.run(500);
      const { view } = cluster.router;
      if (view === null) throw new Error('the views were told');
      cluster.router.follow({ ...view, members: view.members.filter(({ name }) => name !== 'b'), owners: [null, 'a'] });
      cluster.post(keyOf(1), 2);
      cluster.time.run(502);
      cluster.router.follow(view);
      cluster.time.run(700);
      cluster.answerMs = (number) => (number === 10 ? Infinity : 0);
      cluster.post(keyOf(0), 10);
      for (let atMs = 700; atMs < 20_000; atMs += 500) {
        cluster.time.plan(atMs - 700, () => {
          cluster.post(keyOf(1), 1_000 + atMs);
        });
      }
      cluster.time.run(3_500);
      expect(cluster.answers.has(10)).toBe(false);
      cluster.time.run(4_200);
      expect(cluster.answers.get(10)).toMatchObject([{ ok: false, error: { code: 'unavailable' } }]);
    });

    it('brings to no other owner what its asker was told is unknown', () => {
      const cluster = slow();
      // The owner that is asked has it no more, and says so late.
      cluster.move(partitionId(0), 'c');
      cluster.post(keyOf(0), 1);
      cluster.time.run(20_000);
      expect(cluster.answers.get(1)).toMatchObject([{ ok: false, error: { code: 'unavailable' } }]);
      expect(cluster.done.get(partitionId(0)) ?? []).toEqual([]);
      cluster.answerMs = () => 0;
      cluster.post(keyOf(0), 2);
      cluster.time.run(21_000);
      expect(cluster.done.get(partitionId(0))).toEqual([2]);
    });

    it('asks no new owner before the old one has answered, also what was given up (R1)', () => {
      const cluster = slow();
      cluster.post(keyOf(0), 1);
      cluster.time.run(1_500);
      cluster.move(partitionId(0), 'c');
      cluster.time.run(2_000);
      cluster.post(keyOf(0), 2);
      cluster.time.run(2_900);
      expect(cluster.done.get(partitionId(0))).toEqual([1]);
      cluster.time.run(20_000);
      expect(cluster.answers.get(2)).toMatchObject([{ ok: false, error: { code: 'unavailable' } }]);
      expect(cluster.done.get(partitionId(0))).toEqual([1]);
      expect(cluster.router.waiting).toBe(0);
    });

    it('lets a gateway that attaches know in time, and follow-ups wait: nobody is told of them', async () => {
      const cluster = slow();
      cluster.post(keyOf(0), 1, 'follow-up');
      const attached = cluster.router.attach('user-0' as UserId);
      cluster.time.run(1_600);
      expect(await attached).toMatchObject({ ok: false, error: { code: 'unavailable' } });
      expect(cluster.answers.has(1)).toBe(false);
      cluster.time.run(20_000);
      expect(cluster.answers.get(1)).toEqual([ok(1)]);
    });
  });

  it('that was stopped refuses what waits and what comes, each once', () => {
    const cluster = new ACluster([][Symbol.iterator]());
    cluster.post(keyOf(0), 1);
    cluster.router.stop('this node is stopping');
    cluster.post(keyOf(0), 2);
    cluster.time.run(1_000);
    for (const number of [1, 2]) {
      expect(cluster.answers.get(number)).toMatchObject([{ ok: false, error: { code: 'draining' } }]);
    }
  });
});
