import type { DevicePlan, LoginsCommand, LoginsResult } from '../../load/login-plan.ts';
import { cpuMicrosOf, sumOver } from '../../measure/proc-stat.ts';
import type { BenchOptions } from '../../options.ts';
import { RoleProcess } from '../../processes/role-process.ts';
import type { Role } from '../../processes/role.ts';
import { startTarget, type OwnTarget } from '../../processes/server-process.ts';
import type { XrangeCommand, XrangeResult } from '../../processes/xrange-floor.ts';
import { addChecked, nothingChecked, type Checked } from '../checked.ts';
import type { CpuReading } from '../part-result.ts';
import type { BenchHost } from '../bench-host.ts';
import { PAYLOAD_BYTES } from '../shape.ts';
import { UserSessions, userToken } from '../user-sessions.ts';
import { floorFigures, loginFigures, type LoginFigures, type Named } from './login-figures.ts';
import { syncSets, SyncSetUp, type PreparedSet } from './sync-sets.ts';

/** Of one answer: as many as the protocol allows. */
const MESSAGES_PER_ANSWER = 1_000;
/** Conversations go over to read mode as they do by default. */
const SETTINGS = { MILLRACE_READ_ABOVE: '200' };

export interface LoginRound {
  readonly floor: Named<LoginFigures>;
  readonly millrace: Named<LoginFigures>;
}

export interface MeasuredLogins {
  readonly rounds: readonly LoginRound[];
  /** By set, what was there to take. */
  readonly sets: Named<{ readonly conversations: number; readonly messages: number; readonly inboxRecords: number }>;
  /** The floor that each part is held against. */
  readonly floorOf: Named<string>;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

interface Part {
  readonly name: string;
  readonly set: string;
  readonly device: DevicePlan;
}

function partsOf(prepared: readonly PreparedSet[], { websockets, secret }: OwnTarget): readonly Part[] {
  return prepared.flatMap(({ set, user, syncToken, ranges }) => {
    const device = {
      websocket: websockets[0] ?? '',
      jwt: userToken(secret, user),
      device: 'bench-sync',
      syncToken,
      limit: MESSAGES_PER_ANSWER,
      missed: ranges.map((range, stream) => ({ stream, ...range })),
      payloadBytes: PAYLOAD_BYTES,
      localAddress: null,
    };
    const bySync: Part = { name: set.name, set: set.name, device: { ...device, by: 'sync' } };
    if (set.mode === 'write') return [bySync];
    return [bySync, { name: `${set.name} ranges`, set: set.name, device: { ...device, by: 'history' } }];
  });
}

/** Starts one of the bench's processes, which ends when the bench is interrupted. */
export async function startRole(host: BenchHost, role: Role): Promise<RoleProcess> {
  const starting = RoleProcess.start(host.benchBundle, role, []);
  host.onStop(() =>
    starting.then(
      ({ process }) => process.stop(),
      () => undefined,
    ),
  );
  return (await starting).process;
}

/** Starts a server and a Redis, which end when the bench is interrupted. */
export async function startOwnTarget(
  { ackLevel, engine, nodes }: BenchOptions,
  host: BenchHost,
  settings: Readonly<Record<string, string>>,
): Promise<OwnTarget> {
  const starting = startTarget({ bundle: host.serverBundle, ackLevel, engine, nodes, settings });
  host.onStop(() =>
    starting.then(
      (target) => target.stop(),
      () => undefined,
    ),
  );
  return starting;
}

/** Carries out a command with the CPU time at both edges of what it measures. */
async function measured(
  worker: RoleProcess,
  command: LoginsCommand | XrangeCommand,
  reading: () => CpuReading,
): Promise<{ readonly result: unknown; readonly before: CpuReading; readonly after: CpuReading }> {
  let before = reading();
  let after = before;
  const result = await worker.ask(command, (edge) => {
    if (edge === 'begin') before = reading();
    else after = reading();
  });
  return { result, before, after };
}

/** One device after the other logs in and takes all that it missed; between them XRANGE of the same entries. */
export async function measureLogins(options: BenchOptions, host: BenchHost): Promise<MeasuredLogins> {
  const { rounds, seconds, warmupSeconds, scale } = options;
  const time = { warmupMs: warmupSeconds * 1_000, measureMs: seconds * 1_000 };
  host.progress('logins: set-up');
  const target = await startOwnTarget(options, host, SETTINGS);
  try {
    const setUp = new SyncSetUp(new UserSessions(target), String(process.pid));
    const prepared = await Promise.all(syncSets(scale).map((set) => setUp.prepare(set)));
    const parts = partsOf(prepared, target);
    const [logins, floor] = await Promise.all([startRole(host, 'logins'), startRole(host, 'xrange')]);
    const redis = (): number | null => sumOver(target.redisPids, cpuMicrosOf);
    const onMillrace = (): CpuReading => ({
      node: sumOver(target.serverPids, cpuMicrosOf),
      redis: redis(),
      load: cpuMicrosOf(logins.pid),
    });
    const onFloor = (): CpuReading => ({ node: cpuMicrosOf(floor.pid), redis: redis(), load: null });
    const devices = Object.fromEntries(parts.map(({ name, device }) => [name, device]));
    await logins.ask({ op: 'plan', devices } satisfies LoginsCommand);
    const sets = Object.fromEntries(prepared.map(({ set, ranges }) => [set.name, ranges]));
    await floor.ask({ op: 'find', url: target.redisUrl, sets } satisfies XrangeCommand);

    const done: LoginRound[] = [];
    const faults: string[] = [];
    let checked = nothingChecked;
    for (let round = 1; round <= rounds; round += 1) {
      const [floors, millrace]: [Record<string, LoginFigures>, Record<string, LoginFigures>] = [{}, {}];
      for (const { name, set } of parts) {
        host.progress(`round ${String(round)} of ${String(rounds)}: logins, ${name}`);
        if (floors[set] === undefined) {
          const read = await measured(floor, { op: 'read', name: set, ...time }, onFloor);
          floors[set] = floorFigures(read.result as XrangeResult, read.before, read.after);
        }
        const took = await measured(logins, { op: 'repeat', name, ...time }, onMillrace);
        const result = took.result as LoginsResult;
        millrace[name] = loginFigures(result, took.before, took.after);
        const { delivered, missing: lost, duplicated, gaps } = result.checked;
        checked = addChecked(checked, { ...nothingChecked, delivered, lost, duplicated, gaps });
        faults.push(...result.faults);
      }
      done.push({ floor: floors, millrace });
    }
    const stored = prepared.reduce((sum, { set }) => sum + set.conversations * set.messagesEach, 0);
    const obituary = target.obituary();
    if (obituary !== null) throw new Error(`the server ended during the run; the end of its log:\n${obituary}`);
    await Promise.all([logins.stop(), floor.stop()]);
    return {
      rounds: done,
      sets: Object.fromEntries(
        prepared.map(({ set: { name, conversations, messagesEach }, inboxRecords }) => [
          name,
          { conversations, messages: conversations * messagesEach, inboxRecords },
        ]),
      ),
      floorOf: Object.fromEntries(parts.map(({ name, set }) => [name, set])),
      // Every message was sent and acknowledged once in the set-up, and read back from its conversation.
      checked: addChecked(checked, { ...nothingChecked, sent: stored, acked: stored, stored }),
      faults: faults.slice(0, 20),
    };
  } finally {
    await target.stop();
  }
}
