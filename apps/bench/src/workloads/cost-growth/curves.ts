import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@millrace/kernel';
import type { LoadCommand } from '../../load/load-plan.ts';
import { RedisWrites } from '../../measure/redis-writes.ts';
import type { RoleProcess } from '../../processes/role-process.ts';
import type { Target } from '../../processes/server-process.ts';
import {
  curveOfSizes,
  curveOfTurns,
  type Cost,
  type CostCurve,
  type SizeCosts,
  type SizeTurns,
  type Turn,
} from '../../report/cost-growth.ts';
import { addChecked, nothingChecked } from '../checked.ts';
import { idlePlans } from '../idle-shape.ts';
import { runName } from '../run-name.ts';
import { gaugeIn, metricsOf } from '../server-metrics.ts';
import { measuredOf, withLoad, withServers } from '../targets.ts';
import { RestConversations } from './rest-conversations.ts';
import { inTurns, OpenLoad, withShape, type GrowthRun, type Measure } from './steady-load.ts';

const SETTLE_MS_MAX = 300_000;
const POLL_MS = 100;
const REST_MS = 2_000;
/** What is still to be archived: conversations that are in no job yet, and jobs. */
const WAITING = ['archive_waiting', ...['delayed', 'waiting', 'active'].map((state) => `roll_jobs_${state}`)].map(
  (name) => `millrace_${name}`,
);

/** A server where something stays small, and one where it becomes large, each with a Redis of its own. */
const withTwo = <T>(
  { host, options }: GrowthRun,
  job: (small: Target, large: Target) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> =>
  withServers(host, options, (small) => withServers(host, options, (large) => job(small, large), settings), settings);

/** Waits until nothing is written that belongs to what was done before, and nothing waits for the archive. */
async function atRest({ url, redisUrl }: Target): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    const metrics = await metricsOf(url);
    const waiting = WAITING.reduce((sum, name) => sum + (gaugeIn(metrics, name) ?? 0), 0);
    if (waiting === 0) break;
    if (systemClock.monotonicMs() - startedMs > SETTLE_MS_MAX)
      throw new Error(`${String(waiting)} conversations and rolls still wait to be archived`);
    await sleep(POLL_MS);
  }
  if (redisUrl !== null) await new RedisWrites(redisUrl).atRest();
}

/** Both sides under the steady load. */
const steadily = ({ plan }: GrowthRun, left: OpenLoad, right: OpenLoad): [Measure, Measure] => [
  () => left.measure(plan.steady, 'message'),
  () => right.measure(plan.steady, 'message'),
];

/** What a server does first is dearer, for its code is not compiled yet: that counts for nothing. */
async function warmed(run: GrowthRun, left: OpenLoad, right: OpenLoad): Promise<void> {
  for (const measure of steadily(run, left, right)) await measure();
}

/** Conversations that are there: beside those that are written to, and when all of them are. */
export function conversationsCurves(run: GrowthRun): Promise<readonly CostCurve[]> {
  const { plan, say } = run;
  const [first, ...more] = plan.conversations;
  return withTwo(run, async (small, large) => {
    const rests = [new RestConversations(small, first), new RestConversations(large, first)] as const;
    const spreadCounts = [nothingChecked, nothingChecked];
    const [beside, among]: [SizeTurns[], SizeTurns[]] = [[], []];
    const spread = (size: number): Promise<readonly Turn[]> =>
      withSpread(run, small, rests[0], size, (left) =>
        withSpread(run, large, rests[1], size, async (right) => {
          const turns = await inTurns(
            run,
            `written to among ${String(size)} conversations`,
            ...steadily(run, left, right),
          );
          spreadCounts.forEach((counts, side) => {
            spreadCounts[side] = addChecked(counts, (side === 0 ? left : right).counts);
          });
          return turns;
        }),
      );
    await rests[0].grow(first);
    await rests[1].grow(first);
    await withShape(run, small, plan.pairs, (left) =>
      withShape(run, large, plan.pairs, async (right) => {
        await warmed(run, left, right);
        for (const size of more) {
          say(`${String(size)} conversations are made`);
          await rests[1].grow(size);
          await atRest(large);
          const turns = await inTurns(run, `pairs beside ${String(size)} conversations`, ...steadily(run, left, right));
          beside.push({ size, turns });
          among.push({ size, turns: await spread(size) });
        }
      }),
    );
    say('check');
    for (const [side, rest] of rests.entries())
      run.found.add(await rest.check(spreadCounts[side] ?? nothingChecked), []);
    return [
      curveOfTurns(
        { name: 'conversations', what: 'the same pairs write, beside conversations at rest', per: 'message' },
        first,
        beside,
      ),
      curveOfTurns(
        { name: 'written to', what: 'all conversations are written to in turn', per: 'message' },
        first,
        among,
      ),
    ];
  });
}

/** @param size - names the device, which counts its messages from 1. */
const withSpread = <T>(
  run: GrowthRun,
  target: Target,
  rest: RestConversations,
  size: number,
  job: (load: OpenLoad) => Promise<T>,
): Promise<T> =>
  withLoad(run.host, async (process) => {
    const on = measuredOf(target, 'write');
    await process.ask({ op: 'open', plan: rest.plan(on, `bench-load-${String(size)}`) } satisfies LoadCommand);
    return job(new OpenLoad(run, on, process));
  });

/** Messages that the conversations hold which are written to; most of many are in the archive. */
export function messagesCurve(run: GrowthRun): Promise<CostCurve> {
  const { plan, say } = run;
  return withTwo(
    run,
    (small, large) =>
      withShape(run, small, plan.pairs, (left) =>
        withShape(run, large, plan.pairs, async (right) => {
          const bySize: SizeTurns[] = [];
          await warmed(run, left, right);
          for (const size of plan.messages) {
            say(`${String(size)} messages are written`);
            await right.fill(size - right.counts.acked);
            await atRest(large);
            const turns = await inTurns(run, `with ${String(size)} messages`, ...steadily(run, left, right));
            bySize.push({ size, turns });
          }
          say('check');
          const what = 'the same pairs write into conversations that hold so many messages together';
          return curveOfTurns({ name: 'messages', what, per: 'message' }, 0, bySize);
        }),
      ),
    { MILLRACE_ARCHIVE: 'sqlite' },
  );
}

/** Members of a group, all of whom are online and show it. */
export function membersCurve(run: GrowthRun): Promise<CostCurve> {
  const { host, options, plan, say } = run;
  return withServers(host, options, async (target) => {
    const costsOf = (shape: (typeof plan.groups)[number]): Promise<readonly Cost[]> =>
      withShape(run, target, shape, async (load) => {
        const costs: Cost[] = [];
        for (let turn = 1; turn <= options.rounds; turn += 1) {
          say(`${shape.name}, turn ${String(turn)} of ${String(options.rounds)}`);
          for (const part of shape.parts) costs.push(await load.measure(part, 'delivery'));
        }
        return costs;
      });
    const sizes: SizeCosts[] = [];
    // What a server does first is dearer: that counts for nothing.
    for (const shape of plan.groups.slice(0, 1)) await costsOf(shape);
    for (const shape of plan.groups) sizes.push({ size: shape.users, costs: await costsOf(shape) });
    const [smallest] = plan.groups;
    const again = smallest === undefined ? [] : await costsOf(smallest);
    const what = 'a group, all of whose members are online, gets as many deliveries a second at each size';
    const about = { name: 'members', what, per: 'delivery' } as const;
    return curveOfSizes(about, sizes, again);
  });
}

/** Connections of users who say nothing. */
export function connectionsCurve(run: GrowthRun): Promise<CostCurve> {
  const { host, plan, say, found } = run;
  return withTwo(run, async (small, large) => {
    const bySize: SizeTurns[] = [];
    await withShape(run, small, plan.pairs, (left) =>
      withShape(run, large, plan.pairs, async (right) => {
        const next = async (loads: readonly RoleProcess[], open: number): Promise<void> => {
          const size = plan.connections[loads.length];
          if (size === undefined) {
            say('check');
            let answered = 0;
            for (const load of loads) answered += (await load.ask({ op: 'alive' } satisfies LoadCommand)) as number;
            const lost = open - answered;
            found.add({ ...nothingChecked, lost }, lost > 0 ? [`${String(lost)} connections were not answered`] : []);
            return;
          }
          await withLoad(host, async (load) => {
            say(`${String(size)} connections`);
            // One for each step, which shares no address with the others.
            for (const idle of idlePlans(size - open, runName(), measuredOf(large, 'write'))) {
              const command: LoadCommand = { op: 'open', plan: { ...idle, firstAddress: 2 * loads.length } };
              await load.ask(command);
            }
            await sleep(REST_MS);
            const turns = await inTurns(run, `beside ${String(size)} connections`, ...steadily(run, left, right));
            bySize.push({ size, turns });
            await next([...loads, load], size);
          });
        };
        await warmed(run, left, right);
        await next([], 0);
      }),
    );
    const what = 'pairs write beside connections that say nothing';
    return curveOfTurns({ name: 'connections', what, per: 'message' }, 0, bySize);
  });
}
