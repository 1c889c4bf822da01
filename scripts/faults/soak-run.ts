import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { judgeGrowth, namesIn, thirdsOf, type Grown } from '@millrace/simulation';
import type { LiveResult } from '../../apps/cli/src/live/live-report.ts';
import { faults, type Say } from './faults.ts';
import { whyNot, type RunContext } from './run-fault.ts';
import type { Sample } from './sizes.ts';
import { Stage } from './stage.ts';

export interface SoakResult {
  /** Null when nothing was wrong and nothing went on growing. */
  readonly why: string | null;
  readonly result: LiveResult;
  readonly samples: readonly Sample[];
  readonly grown: readonly Grown[];
  readonly faults: number;
}

const SAMPLE_EVERY_MS = 15_000;
/** Between two faults, so that what each leaves behind can go. */
const REST_MS = 10_000;
/** What may come on top of a tenth, by the end of a name. */
const SLACK: readonly (readonly [string, number])[] = [
  ['residentBytes', 20_000_000],
  ['heapBytes', 20_000_000],
  ['usedBytes', 5_000_000],
  ['inboxes', 1_000],
  ['feeds', 1_000],
];
const SLACK_DEFAULT = 100;
/** What was written, and stays until there is somewhere else to keep it. */
const EXPECTED = ['redis timelines', 'redis timelineBytes'];
/** These are started again and again: their memory says nothing of a long life. The first node lives all along. */
const SHORT_LIVED = /^node-(?!1 )/;

const slackOf = (name: string): number => SLACK.find(([end]) => name.endsWith(end))?.[1] ?? SLACK_DEFAULT;

/** Of what was looked at, what went on growing, of all that should not. */
export function grownIn(samples: readonly Sample[]): readonly Grown[] {
  const judged = samples.map((sample) =>
    Object.fromEntries(Object.entries(sample).filter(([name]) => !EXPECTED.includes(name) && !SHORT_LIVED.test(name))),
  );
  return judgeGrowth(judged, slackOf);
}

/** Every name, with its means over the three thirds of the samples. */
export function growthTable(samples: readonly Sample[], grown: readonly Grown[]): readonly string[] {
  const names = namesIn(samples).filter((name) => !SHORT_LIVED.test(name));
  const shown = (mean: number): string => (Number.isNaN(mean) ? '-' : mean.toFixed(0));
  return [
    '| what | first third | second | last | |',
    '| ---- | ----------: | -----: | ---: | --- |',
    ...names.toSorted().map((name) => {
      const means = thirdsOf(samples, name).map(shown).join(' | ');
      const isGrown = grown.some((one) => one.name === name);
      return `| ${name} | ${means} | ${isGrown ? 'GREW' : EXPECTED.includes(name) ? 'what was written' : ''} |`;
    }),
  ];
}

/** One fault after the other: each befalls another node than the first, which is to live all along. */
async function goWrong(stage: Stage, cycle: number, isOver: () => boolean, say: Say): Promise<number> {
  const inject = (name: string, run: number) => async (): Promise<void> => {
    const fault = faults.find((one) => one.name === name);
    await fault?.inject(stage, run, say);
  };
  const steps = [
    inject('pause-node', 1),
    inject('kill-node', 2),
    inject('kill-master', cycle),
    async () => {
      const node = await stage.add();
      await stage.untilWhole(stage.nodes.length);
      say(`${node.name} joined`);
      await sleep(REST_MS);
      await stage.drain(node);
      stage.forget(node);
      await stage.untilWhole(stage.nodes.length);
      say(`${node.name} left`);
    },
  ];
  let done = 0;
  for (const step of steps) {
    if (isOver()) break;
    await step();
    done += 1;
    await sleep(REST_MS);
  }
  return done;
}

/** One cluster under load for so long, with faults all along; what grows is looked at four times a minute. */
export async function soakFor(minutes: number, rate: number, context: RunContext): Promise<SoakResult> {
  const startedMs = performance.now();
  const say: Say = (text) => {
    context.say(`${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${text}`);
  };
  const stage = await Stage.start({ ...context.stage, setting: 'cluster' }, say);
  const samples: Sample[] = [];
  let isOver = false;
  try {
    const load = stage.load(rate);
    await load.started();
    say(`three nodes over a Redis Cluster, ${String(rate)} messages a second`);
    const untilMs = performance.now() + minutes * 60_000;
    const watch = async (): Promise<void> => {
      while (!isOver) {
        const sample = await stage.sample();
        samples.push(sample);
        appendFileSync(join(context.stage.dir, 'samples.jsonl'), `${JSON.stringify(sample)}\n`);
        await sleep(SAMPLE_EVERY_MS);
      }
    };
    const watching = watch();
    let count = 0;
    const isDue = (): boolean => performance.now() >= untilMs;
    for (let cycle = 0; !isDue(); cycle += 1) count += await goWrong(stage, cycle, isDue, say);
    isOver = true;
    await watching;
    const result = await load.finish();
    const grown = grownIn(samples);
    const wrong = [whyNot(result, false), ...grown.map(({ name }) => `${name} went on growing`)];
    const why = wrong.filter((one) => one !== null).join(', ');
    return { why: why === '' ? null : why, result, samples, grown, faults: count };
  } finally {
    isOver = true;
    await stage.close();
  }
}
