import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveResult, SenderPause } from '../../apps/cli/src/live/live-report.ts';
import type { Fault } from './faults.ts';
import type { CapacityRecord, RunRecord } from './results.ts';
import type { Setting } from './setting.ts';
import { Stage, type StageOptions } from './stage.ts';

const CAPACITY_SECONDS = 15;
/** Of one run, beside three leases and the longest cut. */
const RUN_MS_MAX = 300_000;

export const loadAverage = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;

export interface RunContext {
  readonly stage: Omit<StageOptions, 'setting'>;
  readonly commit: string | null;
  readonly machine: string;
  readonly say: (text: string) => void;
  /** Under load before the fault, and after it; milliseconds. */
  readonly beforeMs: number;
  readonly afterMs: number;
}

const PAUSES_TOLD = 8;

/** The longest pauses that were not over when the fault came, the longest first. */
export function pausesFrom(
  { pauses, pause }: Pick<LiveResult, 'pauses' | 'pause'>,
  sinceMs: number,
): readonly SenderPause[] {
  const own = pauses.filter(({ at, ms }) => Date.parse(at) + ms >= sinceMs);
  // None was long enough to be told of.
  if (own.length === 0) return pause === null ? [] : [pause];
  return [...own].sort((left, right) => right.ms - left.ms).slice(0, PAUSES_TOLD);
}

/** The first pauses of a load are of programs that have just been started. */
const WARM_MS = 3_000;

/** The longest pause that was over when the fault came: what the machine and the load cost without it. */
export function pauseBefore({ pauses }: Pick<LiveResult, 'pauses'>, faultMs: number): number | null {
  const calm = pauses.filter(({ at, ms }) => {
    const fromMs = Date.parse(at);
    return fromMs >= faultMs - WARM_MS && fromMs + ms < faultMs;
  });
  return calm.length === 0 ? null : Math.max(...calm.map(({ ms }) => ms));
}

/** Why a run is not as it must be; null when it is. */
export function whyNot(result: LiveResult, mayLose: boolean): string | null {
  const { lost, lostTold, violations, incompleteDevices, unacknowledged, stoppedBy, acked } = result;
  if (stoppedBy !== null) return stoppedBy;
  const wrong = Object.entries(violations)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${String(count)} ${kind}`);
  const lostWrongly = mayLose ? lost - lostTold : lost;
  if (lostWrongly > 0) wrong.push(`${String(lostWrongly)} lost`);
  if (incompleteDevices > 0) wrong.push(`${String(incompleteDevices)} devices incomplete`);
  if (unacknowledged > 0) wrong.push(`${String(unacknowledged)} never acknowledged`);
  if (acked === 0) wrong.push('nothing was acknowledged');
  return wrong.length === 0 ? null : wrong.join(', ');
}

/** Fails after so long, so that nothing waits for ever. */
async function within<T>(work: Promise<T>, msMax: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`it took longer than ${String(msMax / 1000)} s`));
    }, msMax);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How much the same load reaches in a setting when every sender always has a full window. */
export async function measureCapacity(setting: Setting, context: RunContext): Promise<CapacityRecord> {
  const stage = await Stage.start({ ...context.stage, setting }, context.say);
  try {
    const load = stage.load(null, CAPACITY_SECONDS);
    const result = await within(load.result(), RUN_MS_MAX);
    const why = whyNot(result, false);
    if (why !== null) throw new Error(`the capacity of ${setting} cannot be told: ${why}`);
    return {
      kind: 'capacity',
      at: result.startedAt,
      setting,
      commit: context.commit,
      machine: context.machine,
      perSecond: Math.floor(result.completePerSecond),
      seconds: CAPACITY_SECONDS,
      how:
        `${String(result.senders)} senders with full windows in ${String(result.conversations)} conversations, ` +
        `${String(result.devices)} receiving devices, on the same machine; until every device had everything`,
      loadAverage: loadAverage(),
    };
  } finally {
    await stage.close();
  }
}

export interface FaultRun {
  readonly fault: Fault;
  /** How many runs of it there were before. */
  readonly run: number;
  readonly rate: number;
  readonly capacityPerSecond: number | null;
}

/** One run: a cluster, a load, the fault, and what the load found. Never rejects: what went wrong is in the record. */
export async function runFault(
  { fault, run, rate, capacityPerSecond }: FaultRun,
  context: RunContext,
): Promise<RunRecord> {
  const at = new Date();
  const startedMs = performance.now();
  const before = loadAverage();
  const story: string[] = [];
  const say = (text: string): void => {
    const line = `${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${text}`;
    story.push(line);
    context.say(line);
  };
  let result: LiveResult | null = null;
  let injectedMs = 0;
  let why: string | null = null;
  const { leaseMs } = context.stage;

  const whole = async (): Promise<void> => {
    const stage = await Stage.start({ ...context.stage, setting: fault.setting }, say);
    try {
      const load = stage.load(rate);
      await load.started();
      say(`three nodes over ${fault.setting}, ${String(rate)} messages a second`);
      await sleep(context.beforeMs);
      injectedMs = Date.now();
      await fault.inject(stage, run, say);
      say('the cluster is whole');
      await sleep(context.afterMs);
      result = await load.finish();
    } finally {
      await stage.close();
    }
  };
  try {
    await within(whole(), RUN_MS_MAX + 3 * leaseMs);
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  return recordOf(result, {
    kind: 'run',
    at: at.toISOString(),
    fault: fault.name,
    commit: context.commit,
    machine: context.machine,
    why,
    leaseMs,
    capacityPerSecond,
    rate,
    targetMs: fault.targetMs(leaseMs),
    loadAverage: [before, loadAverage()],
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    story,
    logs: null,
    injectedMs,
    mayLose: fault.mayLose === true,
  });
}

type Known = Pick<
  RunRecord,
  | 'kind'
  | 'at'
  | 'fault'
  | 'commit'
  | 'machine'
  | 'why'
  | 'leaseMs'
  | 'capacityPerSecond'
  | 'rate'
  | 'targetMs'
  | 'loadAverage'
  | 'seconds'
  | 'story'
  | 'logs'
> & { readonly injectedMs: number; readonly mayLose: boolean };

function recordOf(result: LiveResult | null, { injectedMs, mayLose, ...known }: Known): RunRecord {
  const pauses = result === null ? [] : pausesFrom(result, injectedMs);
  const [pause] = pauses;
  const before = result === null ? null : pauseBefore(result, injectedMs);
  const why = known.why ?? (result === null ? 'the load gave no result' : whyNot(result, mayLose));
  const { duplicated = 0, gap = 0, ...others } = result?.violations ?? {};
  return {
    ...known,
    ok: why === null,
    why,
    story: [...known.story, ...(why === null ? [] : (result?.samples ?? []))],
    acked: result?.acked ?? 0,
    ackedPerSecond: Math.round(result?.ackedPerSecond ?? 0),
    lost: result?.lost ?? 0,
    lostTold: result?.lostTold ?? 0,
    lostMessages: result?.lostMessages ?? [],
    duplicated,
    gaps: gap,
    otherwiseWrong: Object.values(others).reduce((sum, count) => sum + count, 0),
    incompleteDevices: result?.incompleteDevices ?? 0,
    unacknowledged: result?.unacknowledged ?? 0,
    pauseMs: pause === undefined ? null : Math.round(pause.ms),
    pauseAt: pause?.at ?? null,
    pauseBeforeMs: before === null ? null : Math.round(before),
    overallPauseMs: result === null ? null : Math.round(result.overallPause.ms),
    longestPauses: pauses,
    ownDelayMs: result === null ? null : Math.round(result.ownDelayMsMax),
  };
}
