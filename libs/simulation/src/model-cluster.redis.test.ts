import { seededRandom, systemClock, systemRandom, systemTimers, type NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { type ClusterStore, emptyView, type Member, STORE_FORMAT } from '@millrace/partition';
import { RedisStores } from '@millrace/redis-store';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ModelStore } from './model-store.ts';

const redis = testRedis();
const SEED = 20_260_401;
const RUNS = 200;
const LONG_MS = 3_600_000;

/** One thing to ask of the cluster; `a1` is the first run of member `a`. */
const step = fc.record({
  ask: fc.constantFrom('register', 'register', 'register', 'lead', 'lead', 'lead', 'put', 'put', 'leave'),
  run: fc.constantFrom(...['a1', 'b1', 'c1', 'd1', 'a1', 'b1', 'c1', 'd1'], ...['a2', 'a3', 'b2']),
  version: fc.nat(9),
  settled: fc.nat(9),
  /** The term that a view is put under, counted from the last one that was told. */
  termOff: fc.constantFrom(0, 0, 0, -1, 1),
});

/** @returns the answer without what depends on the two clocks. */
async function ask(cluster: ClusterStore, step: ClusterStep, term: number): Promise<Record<string, unknown>> {
  const [name, node] = [step.run.slice(0, 1), step.run as NodeId];
  const { version, settled } = step;
  const member: Member = {
    name,
    node,
    roles: ['actors'],
    isDraining: version === 0,
    url: `http://${node}`,
    socketUrl: '',
  };
  switch (step.ask) {
    case 'register':
      return {
        ...(await cluster.register(member, LONG_MS, { version, digest: `d${String(settled)}`, settled })),
        untilMonotonicMs: 0,
      };
    case 'leave':
      await cluster.leave(name, node);
      return { code: 'left' };
    case 'lead': {
      const answer = await cluster.lead(name, node, LONG_MS);
      if (answer.code !== 'leading') return { ...answer, remainingMs: 0 };
      const living = answer.living.map((each) => ({ ...each, remainingMs: 0 }));
      living.sort((left, right) => (left.member.name < right.member.name ? -1 : 1));
      return { ...answer, untilMonotonicMs: 0, living };
    }
    default: {
      const owners = [name, null, ...Array.from({ length: settled }, () => 'x')];
      const view = { ...emptyView(owners.length), version, members: [member], owners };
      return { ...(await cluster.putView(term + step.termOff, node, view)) };
    }
  }
}
type ClusterStep = typeof step extends fc.Arbitrary<infer T> ? T : never;

it(`the model and Redis hold the cluster alike, whatever is asked of them (seed ${String(SEED)})`, async () => {
  const opened = async (keyPrefix: string): Promise<RedisStores> => {
    const clocks = { clock: systemClock, timers: systemTimers, random: systemRandom };
    const stores = await RedisStores.connect({
      url: redis.url,
      ackLevel: 'memory',
      storeFormat: STORE_FORMAT,
      keyPrefix,
      ...clocks,
    });
    if (stores.ok) return stores.value;
    throw new Error(stores.error.message);
  };
  let run = 0;
  const codes = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      run += 1;
      const real = await opened(`run${String(run)}:`);
      const model = new ModelStore({ clock: systemClock, timers: systemTimers, random: seededRandom(run) });
      let term = 1;
      for (const next of steps) {
        const ofRedis = await ask(real.cluster, next, term);
        expect(await ask(model.cluster, next, term)).toEqual(ofRedis);
        if (typeof ofRedis['term'] === 'number') term = ofRedis['term'];
        const code = String(ofRedis['code']);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      real.close();
    }),
    { seed: SEED, numRuns: RUNS },
  );
  // Each answer was met often: a generator that made only one kind would compare nothing.
  for (const code of ['held', 'replaced', 'leading', 'following', 'unregistered', 'put', 'outdated']) {
    expect(codes.get(code), code).toBeGreaterThan(20);
  }
}, 120_000);
