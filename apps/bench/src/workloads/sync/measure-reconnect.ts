import type { LoadCommand, LoadMode, LoadResult } from '../../load/load-plan.ts';
import type { StormCommand, StormResult } from '../../load/storm-plan.ts';
import { Latency, type LatencySummary } from '../../measure/latency.ts';
import { cpuMicrosOf, residentBytesOf, sumOver } from '../../measure/proc-stat.ts';
import type { BenchOptions } from '../../options.ts';
import type { RoleProcess } from '../../processes/role-process.ts';
import type { OwnTarget } from '../../processes/server-process.ts';
import { addChecked, nothingChecked, type Checked } from '../checked.ts';
import { MillraceUsers } from '../millrace-users.ts';
import type { CpuCost, CpuReading } from '../part-result.ts';
import type { BenchHost } from '../bench-host.ts';
import { runName } from '../run-name.ts';
import { PAYLOAD_BYTES, planOf, type Shape } from '../shape.ts';
import { UserSessions } from '../user-sessions.ts';
import { loopDelayOf, type LoopDelay } from './loop-delay.ts';
import { startOwnTarget, startRole } from './measure-logins.ts';
import { StormGroups, stormShape, type StormShape } from './storm-groups.ts';

/** Each takes a restart, a quiet time and a check beside the storm itself. */
const ROUNDS_MAX = 3;
const OTHERS = 200;
const OTHERS_PER_SECOND = 1_000;
const OTHERS_WINDOW = 4;
const QUIET_WARMUP_MS = 1_000;
const QUIET_MS = 4_000;
const DRAIN_MS = 20_000;
const GIVE_UP_MS = 60_000;
const RESIDENT_EVERY_MS = 100;
const SETTINGS = { MILLRACE_READ_ABOVE: '200' };
const ADDRESSES = 8;

export interface StormFigures {
  readonly devices: number;
  /** From the moment at which all came back until the last one had everything. */
  readonly allSyncedSeconds: number;
  readonly connectedMs: LatencySummary | null;
  readonly syncedMs: LatencySummary | null;
  readonly retries: number;
  readonly repeated: number;
  /** Acks of other users, who write all the while. */
  readonly othersQuietMs: LatencySummary | null;
  readonly othersStormMs: LatencySummary | null;
  readonly othersP99Times: number | null;
  readonly othersRefused: number;
  readonly loopDelayMs: LoopDelay | null;
  readonly residentBytesBefore: number | null;
  readonly residentBytesMax: number | null;
  readonly bytesPerConnection: number | null;
  readonly cpuMicrosPerDevice: CpuCost;
}

export interface StormRound {
  readonly figures: StormFigures;
  /** Devices that had everything, for each tenth of a second. */
  readonly series: readonly number[];
}

export interface MeasuredReconnect {
  readonly shape: StormShape;
  readonly rounds: readonly StormRound[];
  readonly othersPerSecond: number;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

const othersShape = (scale: number): Shape => ({
  name: 'others',
  kind: 'direct',
  users: Math.max(2, Math.round((OTHERS * scale) / 2) * 2),
  parts: [],
  window: OTHERS_WINDOW,
});

interface Others {
  readonly load: RoleProcess;
  readonly mode: LoadMode;
}

const runOf = (mode: LoadMode, warmupMs: number, measureMs: number): LoadCommand => ({
  op: 'run',
  run: { mode, warmupMs, measureMs, drainMs: DRAIN_MS },
});

/** Runs the storm while others write. */
async function duringStorm(
  { load, mode }: Others,
  storm: () => Promise<StormResult>,
): Promise<{ readonly storm: StormResult; readonly others: LoadResult }> {
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const others = load.ask(runOf(mode, QUIET_WARMUP_MS, GIVE_UP_MS * 2), (edge) => {
    if (edge === 'begin') begin();
  });
  await Promise.race([begun, others]);
  const result = await storm();
  load.tell({ op: 'enough' } satisfies LoadCommand);
  return { storm: result, others: (await others) as LoadResult };
}

const per = (from: number | null, to: number | null, count: number): number | null =>
  from === null || to === null || count === 0 ? null : (to - from) / count;

/**
 * Many devices come back at the same moment, to a server that has just started and has none of their actors in memory,
 * while other users write.
 */
export async function measureReconnect(options: BenchOptions, host: BenchHost): Promise<MeasuredReconnect> {
  const { scale } = options;
  const rounds = Math.min(ROUNDS_MAX, options.rounds);
  const shape = stormShape(scale);
  const othersPerSecond = Math.max(20, OTHERS_PER_SECOND * scale);
  const label = (round: number, what: string): void => {
    host.progress(`round ${String(round)} of ${String(rounds)}: reconnect, ${what}`);
  };
  host.progress('reconnect: set-up');
  let target: OwnTarget = await startOwnTarget(options, host, SETTINGS);
  try {
    const groups = new StormGroups(shape, runName());
    const storms = await startRole(host, 'storm');
    await groups.create(new UserSessions(target));
    const plan = {
      secret: target.secret,
      users: groups.users,
      device: 'bench-storm',
      localAddresses: Array.from({ length: ADDRESSES }, (_, at) => `127.0.0.${String(at + 2)}`),
      payloadBytes: PAYLOAD_BYTES,
    };
    await storms.ask({ op: 'enrol', plan, websockets: target.websockets } satisfies StormCommand);
    const streams = await groups.write(new UserSessions(target));
    const written = shape.messagesEach * streams.length;
    let checked: Checked = { ...nothingChecked, sent: written, acked: written, stored: written };
    const faults: string[] = [];
    const done: StormRound[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const others = othersShape(scale);
      const run = runName();
      label(round, 'set-up');
      await new MillraceUsers(target).prepare(others, run);
      target = await target.restart();
      const { serverPids, redisPids } = target;
      const load = await startRole(host, 'load');
      await load.ask({
        op: 'open',
        plan: planOf(others, run, { kind: 'millrace', diffusion: 'write', ...target }),
      } satisfies LoadCommand);
      label(round, 'quiet');
      const mode: LoadMode = { kind: 'open', perSecond: othersPerSecond };
      const quiet = (await load.ask(runOf(mode, QUIET_WARMUP_MS, QUIET_MS * Math.max(scale, 0.1)))) as LoadResult;
      label(round, 'storm');
      const reading = (): CpuReading => ({
        node: sumOver(serverPids, cpuMicrosOf),
        redis: sumOver(redisPids, cpuMicrosOf),
        load: cpuMicrosOf(storms.pid),
      });
      const resident = (): number | null => sumOver(serverPids, residentBytesOf);
      // What the delay was before is forgotten by being asked for.
      await loopDelayOf(target.url);
      const residentBefore = resident();
      let most = residentBefore;
      const watch = setInterval(() => {
        const now = resident();
        most = most === null || now === null ? null : Math.max(most, now);
      }, RESIDENT_EVERY_MS);
      let before = reading();
      let after = before;
      const { websockets } = target;
      const command: StormCommand = { op: 'storm', websockets, streams, missed: groups.groupsOf, giveUpMs: GIVE_UP_MS };
      const during = await duringStorm({ load, mode }, async () => {
        return (await storms.ask(command, (edge) => {
          if (edge === 'begin') before = reading();
          else after = reading();
        })) as StormResult;
      }).finally(() => {
        clearInterval(watch);
      });
      const loopDelayMs = await loopDelayOf(target.url);
      const residentAfter = resident();
      await load.stop();
      label(round, 'check');
      const { storm } = during;
      const counts = [quiet, during.others].map(({ sent, acked, delivered, duplicated, gaps }) => ({
        ...nothingChecked,
        ...{ sent, acked, delivered, duplicated, gaps },
      }));
      const sides = counts.reduce(addChecked, nothingChecked);
      const told = await new MillraceUsers(target).check(others, run, sides, 'write');
      const { delivered, missing: lost, duplicated, gaps } = storm.checked;
      checked = addChecked(addChecked(checked, told.checked), { ...nothingChecked, delivered, lost, duplicated, gaps });
      for (const fault of [...storm.faults, ...during.others.faults, ...quiet.faults]) {
        if (faults.length < 20 && !faults.includes(fault)) faults.push(fault);
      }
      await storms.ask({ op: 'leave' } satisfies StormCommand);
      const [quietMs, stormMs] = [Latency.decode(quiet.ack).summary(), Latency.decode(during.others.ack).summary()];
      const grown = residentBefore === null || residentAfter === null ? null : residentAfter - residentBefore;
      done.push({
        series: storm.series,
        figures: {
          devices: storm.devices,
          allSyncedSeconds: storm.seconds,
          connectedMs: Latency.decode(storm.connected).summary(),
          syncedMs: Latency.decode(storm.synced).summary(),
          retries: storm.retries,
          repeated: storm.repeated,
          othersQuietMs: quietMs,
          othersStormMs: stormMs,
          othersP99Times: quietMs === null || stormMs === null ? null : stormMs.p99 / quietMs.p99,
          othersRefused: during.others.refused,
          loopDelayMs,
          residentBytesBefore: residentBefore,
          residentBytesMax: most,
          bytesPerConnection: grown === null ? null : Math.max(0, grown / storm.devices),
          cpuMicrosPerDevice: {
            node: per(before.node, after.node, storm.devices),
            redis: per(before.redis, after.redis, storm.devices),
            load: per(before.load, after.load, storm.devices),
          },
        },
      });
    }
    await storms.stop();
    return { shape, rounds: done, othersPerSecond, checked, faults };
  } catch (error) {
    const obituary = target.obituary();
    if (obituary === null) throw error;
    throw new Error(`the server ended during the run; the end of its log:\n${obituary}`, { cause: error });
  } finally {
    await target.stop();
  }
}
