import type { LoadCommand } from '../load/load-plan.ts';
import { residentBytesOf, sumOver } from '../measure/proc-stat.ts';
import { costOf, RedisWrites } from '../measure/redis-writes.ts';
import type { BenchOptions } from '../options.ts';
import type { RoleProcess } from '../processes/role-process.ts';
import type { Target } from '../processes/server-process.ts';
import { sidesReport } from '../report/bench-report.ts';
import type { Findings } from '../report/findings.ts';
import { growthLines, growthPlots, medianGrowth, type GrowthPoint } from '../report/growth.ts';
import { sidesPlots } from '../report/html-report.ts';
import { sidesLines } from '../report/text-table.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { GrowingGroup } from './growing-group.ts';
import { hugeGroupPlan, hugePartName, type HugeGroupPlan } from './huge-shape.ts';
import type { MeasuredPart } from './part-result.ts';
import { runPart, runShape, type MeasuredTarget, type Timing } from './run-shape.ts';
import { runName } from './run-name.ts';
import { refuseLazyFloor, type Round, type SideRun } from './run-workload.ts';
import { PAYLOAD_BYTES, planOf } from './shape.ts';
import { measuredOf, withLoad, withRelay, withServers } from './targets.ts';
import { UserSessions } from './user-sessions.ts';

/** Messages that are counted at each size. */
const COUNTED_MESSAGES = 40;
/** Members whose lists are looked at in the end. */
const LISTS_LOOKED_AT = 100;
const MEMBERS_MAX = 100_000;
const FAULTS_MAX = 50;

interface MillraceRun {
  readonly side: SideRun;
  /** Empty when nothing was counted. */
  readonly growth: readonly GrowthPoint[];
}

/** One group, all of whose members are online, beside a relay that publishes to as many sockets. */
class HugeGroup {
  readonly #options: BenchOptions;
  readonly #host: BenchHost;
  readonly #plan: HugeGroupPlan;
  readonly #timing: Timing;
  readonly #faults = new Set<string>();
  #checked = nothingChecked;
  #engine = '';

  constructor(options: BenchOptions, host: BenchHost) {
    this.#options = options;
    this.#host = host;
    this.#plan = hugeGroupPlan(options.members);
    this.#timing = { warmupMs: options.warmupSeconds * 1_000, measureMs: options.seconds * 1_000 };
  }

  async run(): Promise<Findings> {
    const rounds: Round[] = [];
    const growths: (readonly GrowthPoint[])[] = [];
    for (let round = 1; round <= this.#options.rounds; round += 1) {
      const say = (text: string): void => {
        this.#host.progress(`round ${String(round)} of ${String(this.#options.rounds)}: ${text}`);
      };
      const floor = await this.#floor(say);
      // What is written does not depend on how busy the machine is: it is counted once.
      const { side: millrace, growth } = await this.#millrace(say, round === 1);
      rounds.push({ floor, millrace, redisFloor: null });
      if (growth.length > 0) growths.push(growth);
    }
    return this.#findings(rounds, growths);
  }

  #fault(text: string): void {
    if (this.#faults.size < FAULTS_MAX) this.#faults.add(text);
  }

  /** What the floor reaches is set beside every size of the group: as many are online in each. */
  #floor(say: (text: string) => void): Promise<SideRun> {
    const { shape, measured } = this.#plan;
    return withRelay(this.#host, this.#options, async (target, engine) => {
      this.#engine = engine;
      const onPart = (part: string): void => {
        say(`floor, ${String(shape.users)} online, ${part}`);
      };
      const run = await withLoad(this.#host, (load) => runShape(shape, runName(), target, load, this.#timing, onPart));
      refuseLazyFloor(shape, run);
      for (const fault of run.faults) this.#fault(`floor: ${fault}`);
      const parts = measured.flatMap((members) =>
        Object.entries(run.parts).map(([name, part]) => [hugePartName(members, name), part] as const),
      );
      return { parts: Object.fromEntries(parts), bytesPerConnection: run.bytesPerConnection };
    });
  }

  #millrace(say: (text: string) => void, isCounted: boolean): Promise<MillraceRun> {
    const settings = { MILLRACE_MEMBERS_MAX: String(MEMBERS_MAX) };
    return withServers(
      this.#host,
      this.#options,
      (target) => withLoad(this.#host, (load) => this.#measure(target, load, say, isCounted)),
      settings,
    );
  }

  async #measure(
    target: Target,
    load: RoleProcess,
    say: (text: string) => void,
    isCounted: boolean,
  ): Promise<MillraceRun> {
    const { shape, sizes, measured } = this.#plan;
    const run = runName();
    const group = await GrowingGroup.create(new UserSessions(target), run, Math.max(...sizes));
    const redis = target.redisUrl === null || !isCounted ? null : new RedisWrites(target.redisUrl);
    const parts: Record<string, MeasuredPart> = {};
    const growth: GrowthPoint[] = [];
    let counts = nothingChecked;
    let deliveries = 0;
    let isOpen = false;
    let grownBytes: number | null = null;
    for (const members of isCounted ? sizes : measured) {
      say(`millrace, ${String(members)} members, set-up`);
      await group.resize(members);
      if (redis !== null) growth.push(await counted(group, redis));
      if (!measured.includes(members)) continue;
      const on = measuredOf(target, await group.diffusion());
      const plan = planOf(shape, run, on);
      // Who shows the group while it grows is told of each who comes in: that is not what is measured here.
      const command: LoadCommand = isOpen ? { op: 'show', isShown: true } : { op: 'open', plan };
      const before = sumOver(target.serverPids, residentBytesOf);
      await load.ask(command);
      const after = sumOver(target.serverPids, residentBytesOf);
      if (!isOpen && before !== null && after !== null) grownBytes = Math.max(0, after - before);
      isOpen = true;
      const partCounts = await this.#parts(members, on, load, parts, say);
      counts = addChecked(counts, partCounts);
      deliveries += partCounts.acked * (plan.streams[0]?.deliveries ?? 0);
      await load.ask({ op: 'show', isShown: false } satisfies LoadCommand);
    }
    say('millrace, check');
    this.#checked = addChecked(this.#checked, await this.#check(group, counts, deliveries));
    const bytesPerConnection = grownBytes === null ? null : grownBytes / shape.users;
    return { side: { parts, bytesPerConnection }, growth };
  }

  /** @param into - gets the parts by name. */
  async #parts(
    members: number,
    target: MeasuredTarget,
    load: RoleProcess,
    into: Record<string, MeasuredPart>,
    say: (text: string) => void,
  ): Promise<Checked> {
    let counts = nothingChecked;
    for (const part of this.#plan.shape.parts) {
      say(`millrace, ${String(members)} members, ${part.name}`);
      const measured = await runPart(part, target, load, this.#timing);
      into[hugePartName(members, part.name)] = measured.part;
      counts = addChecked(counts, measured.counts);
      for (const fault of measured.faults) this.#fault(`millrace: ${fault}`);
    }
    return counts;
  }

  /** @param deliveries - how many there must have been of what was acknowledged to the load. */
  async #check(group: GrowingGroup, counts: Checked, deliveries: number): Promise<Checked> {
    const read = await group.stored();
    const behind = await group.behind(LISTS_LOOKED_AT, read.msgNo);
    if (behind.length > 0) this.#fault(`millrace: the lists of ${behind.slice(0, 5).join(', ')} lack messages`);
    const acked = counts.acked + group.said;
    const notStored = Math.max(0, acked - read.stored);
    const notDelivered = Math.max(0, deliveries - counts.delivered);
    return {
      sent: counts.sent + group.said,
      acked,
      stored: read.stored,
      delivered: counts.delivered,
      lost: notStored + notDelivered + behind.length,
      duplicated: counts.duplicated + read.duplicated,
      gaps: counts.gaps + read.gaps,
    };
  }

  #findings(rounds: readonly Round[], growths: readonly (readonly GrowthPoint[])[]): Findings {
    const { shape, sizes } = this.#plan;
    const sides = sidesReport(rounds, false);
    const growth = medianGrowth(growths);
    return {
      config: {
        payloadBytes: PAYLOAD_BYTES,
        online: shape.users,
        sizes,
        writersSaturated: planOf(shape, 'r', { kind: 'relay', websockets: [], secret: '', diffusion: 'read' }).streams
          .length,
        windowSaturated: shape.window,
        engine: this.#engine,
      },
      rounds: sides.rounds.map((round, index) => ({ ...round, growth: growths[index] ?? [] })),
      median: { ...sides.median, growth },
      floor: sides.floor,
      ratio: sides.ratio,
      checked: this.#checked,
      faults: [...this.#faults],
      lines: [...sidesLines(sides, false), '', ...growthLines(growth)],
      plots: [...growthPlots(growth), ...sidesPlots(sides, { rounds })],
      notMeasured: [
        'Members who come and go while messages are measured: see the workload crossing.',
        'Devices that do not show the group: they are told by heads, twice a second at most, where it stands.',
        'More than one server: what a node that only holds sockets saves the others is not to be seen on one.',
        'A message’s way over slow or lossy networks: all sockets read at once what comes.',
      ],
    };
  }
}

/** What one message after the other makes Redis write, in the group as it is. */
async function counted(group: GrowingGroup, redis: RedisWrites): Promise<GrowthPoint> {
  const before = await redis.atRest();
  await group.say(COUNTED_MESSAGES);
  const after = await redis.atRest();
  return {
    members: group.size,
    direction: 'growing',
    diffusion: await group.diffusion(),
    messages: COUNTED_MESSAGES,
    perMessage: costOf(before, after, before.perSecond, COUNTED_MESSAGES),
    senders: null,
  };
}

export const measureHugeGroup = (options: BenchOptions, host: BenchHost): Promise<Findings> =>
  new HugeGroup(options, host).run();
