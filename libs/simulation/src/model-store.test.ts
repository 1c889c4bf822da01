import { seededRandom, systemTimers, type Clock, type NodeId, type Timers } from '@millrace/kernel';
import { emptyView, type Member } from '@millrace/partition';
import {
  actorKey,
  APartition,
  appending,
  at,
  nowhere,
  partitionStoreConformance,
} from '@millrace/partition/conformance';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ModelFate, ModelRequest } from './model-connection.ts';
import { ModelStore } from './model-store.ts';

const room = actorKey('c:room');

/** Time that stands still until it is told to run. What is due soon runs by itself. */
class HandClock implements Clock, Timers {
  #nowMs = 0;
  #due: { readonly atMs: number; readonly callback: () => void }[] = [];

  nowMs = (): number => this.#nowMs;
  monotonicMs = (): number => this.#nowMs;
  soon = (callback: () => void): void => {
    systemTimers.soon(callback);
  };
  after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#due.push(timer);
    return () => (this.#due = this.#due.filter((other) => other !== timer));
  };

  async run(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await this.turn();
      const next = this.#due.filter(({ atMs }) => atMs <= untilMs).sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined) break;
      this.#due = this.#due.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }

  /** Lets everything run that is due now. */
  turn(): Promise<void> {
    return new Promise((resolve) => systemTimers.soon(() => systemTimers.soon(resolve)));
  }
}

const underTest = (store: ModelStore, clock: HandClock): ConstructorParameters<typeof APartition>[0] => ({
  partitions: store.partitions,
  cluster: store.cluster,
  timelines: store.timelines,
  records: store.records,
  passTime: (ms) => clock.run(ms),
  close: () => Promise.resolve(),
});

partitionStoreConformance('the model', () => {
  const clock = new HandClock();
  return Promise.resolve(underTest(new ModelStore({ clock, timers: clock, random: seededRandom(1) }), clock));
});

describe('the model of a Redis', () => {
  let clock: HandClock;
  let store: ModelStore;
  let fates: Partial<ModelFate>[];
  let partition: APartition;

  beforeEach(async () => {
    clock = new HandClock();
    fates = [];
    const fate = (request: ModelRequest): ModelFate => ({
      kind: 'none',
      requestMs: 0,
      replyMs: 0,
      ...(request === 'commit' ? fates.shift() : {}),
    });
    store = new ModelStore({ clock, timers: clock, random: seededRandom(1), fate, answerMsMax: 100, reconnectMs: 10 });
    partition = new APartition(underTest(store, clock));
    await partition.claim();
    await partition.stored([appending(room, nowhere, ['one'])]);
  });

  const two = (): ReturnType<APartition['next']> => partition.next([appending(room, at(1, 1), ['two'])]);

  it('that loses a reply has executed the commit, and its retry answers dup (I5)', async () => {
    fates = [{ kind: 'lose-reply' }];
    const outcome = partition.send(two());
    await clock.run(200);
    expect((await outcome).code).toBe('unknown');
    expect((await partition.send(two())).code).toBe('dup');
  });

  it('that loses a request has not executed the commit, and its retry is the first (I5)', async () => {
    fates = [{ kind: 'lose-request' }];
    const outcome = partition.send(two());
    await clock.run(200);
    expect((await outcome).code).toBe('unknown');
    expect(await partition.entries(room)).toEqual(['1-1 one']);
    expect((await partition.send(two())).code).toBe('ok');
  });

  it('that refuses a commit has changed nothing', async () => {
    fates = [{ kind: 'refuse' }];
    expect((await partition.send(two())).code).toBe('unavailable');
    expect(await partition.entries(room)).toEqual(['1-1 one']);
  });

  it('answers late when it is slow, and requests do not overtake each other', async () => {
    fates = [{ requestMs: 50 }, { requestMs: 0 }];
    const order: string[] = [];
    const second = { ...partition.next([]), commitNo: 3, commitId: '0000000000000003' };
    void partition.send(two()).then(({ code }) => order.push(`first ${code}`));
    void partition.send(second).then(({ code }) => order.push(`second ${code}`));
    await clock.run(49);
    expect(order).toEqual([]);
    await clock.run(2);
    expect(order).toEqual(['first ok', 'second ok']);
  });

  it('when its connection is cut answers unknown, is unavailable until the listeners have run, then serves', async () => {
    fates = [{ requestMs: 30 }];
    const seen: string[] = [];
    store.onReconnect(() => {
      void partition.send(two()).then(({ code }) => seen.push(code));
    });
    const outcome = partition.send(two());
    store.cut();
    expect((await outcome).code).toBe('unknown');
    expect((await partition.send(two())).code).toBe('unavailable');
    await clock.run(11);
    expect(seen).toEqual(['unavailable']);
    await clock.run(30);
    expect((await partition.send(two())).code).toBe('dup');
  });

  it('that crashes keeps its log but is another run, and does not execute what was under way', async () => {
    fates = [{ requestMs: 30 }];
    const { run } = await partition.claim();
    const outcome = partition.send(two());
    store.crash({ lostOperations: 0, downMs: 5 });
    expect((await outcome).code).toBe('unknown');
    await clock.run(60);
    const answer = await partition.claim();
    expect(answer.run).not.toBe(run);
    expect(answer.found.commitNo).toBe(1);
  });

  it('that lost the end of its log is back at exactly that older state', async () => {
    await partition.stored([appending(room, at(1, 1), ['two'], { set: [['a', '2']] })]);
    await partition.stored([appending(room, at(1, 2), ['three'], { set: [['a', '3']], trimBefore: at(1, 2) })]);
    store.crash({ lostOperations: 1, downMs: 5 });
    await clock.run(10);
    expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two']);
    expect(await partition.fieldsOf(room)).toEqual({ a: '2' });
    expect(await partition.send(partition.next([]))).toEqual({ code: 'regressed', commitNo: 2 });
    store.crash({ lostOperations: store.logLength(), downMs: 5 });
    await clock.run(10);
    expect((await partition.send(partition.next([]))).code).toBe('fenced');
    expect(await partition.load(room)).toEqual({ head: null, fields: new Map() });
  });

  it('that a replica took over from goes on with its connections: what was under way waits, and may come late', async () => {
    await partition.stored([appending(room, at(1, 1), ['two'])]);
    const { run } = await partition.claim();
    const asked = partition.send(two());
    store.failOver({ lostOperations: 1, downMs: 20, lateMs: () => 30 });
    const next = new APartition({ ...underTest(store, clock), partitions: store.connect().partitions });
    const claimed = next.claim();
    await clock.run(20);
    expect((await claimed).run).not.toBe(run);
    expect((await claimed).found.epoch).toBe(1);
    await clock.run(30);
    expect((await asked).code).toBe('fenced');
    expect(await next.entries(room)).toEqual(['1-1 one', '1-2 two']);
  });

  it('that lost the end of its log may be back at an older view and an older term, as any other state', async () => {
    const { cluster } = store;
    const [a, b] = ['a1', 'b1'] as [NodeId, NodeId];
    const member = (node: NodeId): Member => ({
      name: node.slice(0, 1),
      node,
      roles: ['actors'],
      isDraining: false,
      url: '',
      socketUrl: '',
    });
    const view = { ...emptyView(1), version: 1, owners: ['a'] };
    await cluster.register(member(a), 1_000, { version: 0, digest: '-', settled: 0 });
    await cluster.lead('a', a, 1_000);
    await cluster.putView(1, a, view);
    await cluster.putView(1, a, { ...view, version: 2 });
    await cluster.register(member(b), 1_000, { version: 2, digest: '-', settled: 0 });
    await cluster.leave('a', a);
    expect(await cluster.lead('b', b, 1_000)).toMatchObject({ term: 2, view: { version: 2 }, living: [{}] });
    store.crash({ lostOperations: 4, downMs: 5 });
    expect(await cluster.lead('b', b, 1_000)).toMatchObject({ code: 'unavailable' });
    await clock.run(10);
    expect(await cluster.lead('b', b, 1_000)).toEqual({ code: 'unregistered' });
    await cluster.register(member(b), 1_000, { version: 2, digest: '-', settled: 0 });
    expect(await cluster.lead('b', b, 1_000)).toMatchObject({ code: 'following', leader: 'a' });
    await clock.run(1_000);
    await cluster.register(member(b), 1_000, { version: 2, digest: '-', settled: 0 });
    expect(await cluster.lead('b', b, 1_000)).toMatchObject({ term: 2, view: { version: 1 } });
  });
});
