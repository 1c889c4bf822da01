import type { BenchOptions } from '../../options.ts';
import { costGrowthLines, costGrowthPlots, growthRatios, type CostCurve } from '../../report/cost-growth.ts';
import type { Findings, MeasureFindings } from '../../report/findings.ts';
import { PAYLOAD_BYTES } from '../shape.ts';
import { connectionsCurve, conversationsCurves, membersCurve, messagesCurve } from './curves.ts';
import { grown, growthPlan, type Grown } from './growth-plan.ts';
import { Found, type GrowthRun } from './steady-load.ts';

const one = (curve: (run: GrowthRun) => Promise<CostCurve>) => async (run: GrowthRun) => [await curve(run)];

const curvesOf: Readonly<Record<Grown, (run: GrowthRun) => Promise<readonly CostCurve[]>>> = {
  conversations: conversationsCurves,
  messages: one(messagesCurve),
  members: one(membersCurve),
  connections: one(connectionsCurve),
};

function wantedOf({ only }: BenchOptions): readonly Grown[] {
  const unknown = only.filter((name) => !(grown as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`Nothing grows by ${unknown.join(', ')}; it does by ${grown.join(', ')}.`);
  return only.length === 0 ? grown : grown.filter((name) => only.includes(name));
}

/** What a message costs the server and Redis against the size of one thing after the other, under the same steady load. */
export const measureCostGrowth: MeasureFindings = async (options, host): Promise<Findings> => {
  if (options.url !== null) throw new Error('growth has servers of its own: leave --url out');
  const plan = growthPlan(options.scale, options.long);
  const found = new Found();
  const curves: CostCurve[] = [];
  for (const name of wantedOf(options)) {
    const say = (text: string): void => {
      host.progress(`${name}: ${text}`);
    };
    curves.push(...(await curvesOf[name]({ options, host, plan, found, say })));
  }
  return {
    config: {
      payloadBytes: PAYLOAD_BYTES,
      users: plan.pairs.users,
      perSecond: plan.perSecond,
      conversations: plan.conversations,
      messages: plan.messages,
      members: plan.groups.map(({ users }) => users),
      connections: plan.connections,
    },
    rounds: curves,
    median: { curves: Object.fromEntries(curves.map((curve) => [curve.name, curve])) },
    floor: {},
    ratio: growthRatios(curves),
    checked: found.checked,
    faults: [...found.faults],
    lines: costGrowthLines(curves),
    plots: costGrowthPlots(curves),
    notMeasured: [
      'What a saturated server makes of it: the load is steady, far below what a server can take.',
      'Conversations that many are away from for weeks: the oldest is as old as the run.',
      'CPU time of what Redis forks to write its log anew, and of other processes than the server and Redis.',
      'More than one server, and more than one thing that is large at a time.',
    ],
  };
};
