import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@millrace/kernel';
import type { CrowdCommand, CrowdResult, CrowdTally, ExpectedRange } from '../load/crowd-plan.ts';
import { Latency, type LatencySummary } from '../measure/latency.ts';
import { medianOf } from '../measure/median.ts';
import { cpuMicrosOf, sumOver } from '../measure/proc-stat.ts';
import { costOf, RedisWrites, type RedisCount } from '../measure/redis-writes.ts';
import type { BenchOptions } from '../options.ts';
import type { RoleProcess } from '../processes/role-process.ts';
import type { Target } from '../processes/server-process.ts';
import type { Findings } from '../report/findings.ts';
import { growthLines, growthPlots, medianGrowth, type GrowthPoint } from '../report/growth.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { CROSSING_PER_SECOND, crossingPlan, type CrossingPlan } from './crossing-shape.ts';
import { GrowingGroup, type MembershipStep } from './growing-group.ts';
import type { CpuCost } from './part-result.ts';
import { runName } from './run-name.ts';
import { groupName, PAYLOAD_BYTES, userNames } from './shape.ts';
import { withLoad, withServers } from './targets.ts';
import { UserSessions } from './user-sessions.ts';

const MEMBERS_MAX = 100_000;
const FAULTS_MAX = 50;
/** Members whose lists are looked at in the end. */
const LISTS_LOOKED_AT = 100;

interface CrossingRound {
  readonly ackedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly ackMs: LatencySummary | null;
  readonly deliverMs: LatencySummary | null;
  /** The longest time in which nobody got an ack, over the whole round. */
  readonly pauseMsMax: number;
  readonly cpuMicrosPerMessage: CpuCost;
  readonly growth: readonly GrowthPoint[];
}

/** Where the group has been: who came and went by which entry. */
class Memberships {
  readonly #joined: MembershipStep[] = [];
  readonly #left: MembershipStep[] = [];

  add(direction: 'growing' | 'shrinking', steps: readonly MembershipStep[]): void {
    (direction === 'growing' ? this.#joined : this.#left).push(...steps);
  }

  /** What each device has to hear. Who made the group hears of that; who is in it still, all up to the head. */
  rangesOf(users: readonly number[], head: number): readonly ExpectedRange[] {
    return users.map((user, index) => ({
      user: index,
      from: user === 0 ? 1 : (seqOf(this.#joined, user) ?? 1),
      to: seqOf(this.#left, user) ?? head,
    }));
  }
}

const seqOf = (steps: readonly MembershipStep[], user: number): number | undefined =>
  steps.find(({ users: [from, to] }) => user >= from && user < to)?.seq;

/** One group that grows and shrinks while members write, over both ways of diffusion. */
class Crossing {
  readonly #options: BenchOptions;
  readonly #host: BenchHost;
  readonly #plan: CrossingPlan;
  readonly #faults = new Set<string>();
  #checked = nothingChecked;

  constructor(options: BenchOptions, host: BenchHost) {
    this.#options = options;
    this.#host = host;
    this.#plan = crossingPlan(options.members);
  }

  async run(): Promise<Findings> {
    const settings = { MILLRACE_MEMBERS_MAX: String(MEMBERS_MAX) };
    const rounds: CrossingRound[] = [];
    for (let round = 1; round <= this.#options.rounds; round += 1) {
      const say = (text: string): void => {
        this.#host.progress(`round ${String(round)} of ${String(this.#options.rounds)}: ${text}`);
      };
      const measure = (target: Target): Promise<CrossingRound> =>
        withLoad(this.#host, (crowd) => this.#round(target, crowd, say), 'crowd');
      rounds.push(await withServers(this.#host, this.#options, measure, settings));
    }
    return this.#findings(rounds);
  }

  #fault(text: string): void {
    if (this.#faults.size < FAULTS_MAX) this.#faults.add(text);
  }

  async #round(target: Target, crowd: RoleProcess, say: (text: string) => void): Promise<CrossingRound> {
    const { sizes, membersMax, online } = this.#plan;
    const tell = (command: CrowdCommand): Promise<unknown> => crowd.ask(command);
    say(`set-up, ${String(online.length)} devices`);
    const run = runName();
    const names = userNames(run, membersMax);
    const users = online.map((index) => names[index] ?? '');
    const { websockets, secret } = target;
    const conversation = groupName(run);
    // Everybody is there before the group is, so that its maker hears of that, too.
    await tell({ op: 'open', plan: { websockets, secret, conversation, users, payloadBytes: PAYLOAD_BYTES } });
    const group = await GrowingGroup.create(new UserSessions(target), run, membersMax);
    const redis = target.redisUrl === null ? null : new RedisWrites(target.redisUrl);
    const idlePerSecond = redis === null ? null : (await redis.atRest()).perSecond;
    const reading = (): CpuCost => ({
      node: sumOver(target.serverPids, cpuMicrosOf),
      redis: sumOver(target.redisPids, cpuMicrosOf),
      load: cpuMicrosOf(crowd.pid),
    });
    const before = reading();
    const startedMs = systemClock.monotonicMs();
    const growth: GrowthPoint[] = [];
    const memberships = new Memberships();
    for (const { members, direction } of sizes) {
      say(`${direction}, ${String(members)} members`);
      // Who goes next has stopped before, so that nothing of theirs is refused.
      const writers = Math.min(this.#plan.writers, members);
      if (direction === 'shrinking') await tell({ op: 'write', writers, perSecond: CROSSING_PER_SECOND });
      memberships.add(direction, await group.resize(members));
      if (direction === 'growing') await tell({ op: 'write', writers, perSecond: CROSSING_PER_SECOND });
      growth.push(await this.#point(group, direction, tell, redis, idlePerSecond));
    }
    const seconds = (systemClock.monotonicMs() - startedMs) / 1_000;
    const after = reading();
    await tell({ op: 'write', writers: 0, perSecond: 0 });
    say('check');
    const result = await this.#check(group, memberships, tell);
    const per = (who: keyof CpuCost): number | null => {
      const [from, to] = [before[who], after[who]];
      return from === null || to === null || result.acked === 0 ? null : (to - from) / result.acked;
    };
    return {
      ackedPerSecond: result.acked / seconds,
      deliveredPerSecond: result.delivered / seconds,
      ackMs: Latency.decode(result.ack).summary(),
      deliverMs: Latency.decode(result.deliver).summary(),
      pauseMsMax: Math.max(0, ...growth.map(({ senders }) => senders?.pauseMsMax ?? 0)),
      cpuMicrosPerMessage: { node: per('node'), redis: per('redis'), load: per('load') },
      growth,
    };
  }

  /** What the messages of a while cost, and how long their senders had to wait since the size before. */
  async #point(
    group: GrowingGroup,
    direction: GrowthPoint['direction'],
    tell: (command: CrowdCommand) => Promise<unknown>,
    redis: RedisWrites | null,
    idlePerSecond: RedisCount | null,
  ): Promise<GrowthPoint> {
    const tally = async (): Promise<CrowdTally> => (await tell({ op: 'tally' })) as CrowdTally;
    // Those who came in, or what they are told, is diffused first.
    await sleep(SETTLE_MS);
    const from = await tally();
    const before = await redis?.look();
    await sleep(this.#options.seconds * 1_000);
    const after = await redis?.look();
    const to = await tally();
    const messages = to.acked - from.acked;
    const isCounted = before !== undefined && after !== undefined && idlePerSecond !== null && messages > 0;
    return {
      members: group.size,
      direction,
      diffusion: await group.diffusion(),
      messages,
      perMessage: isCounted ? costOf(before, after, idlePerSecond, messages) : null,
      senders: {
        ackMsMax: Math.max(from.ackMsMax, to.ackMsMax),
        pauseMsMax: Math.max(from.pauseMsMax, to.pauseMsMax),
      },
    };
  }

  async #check(
    group: GrowingGroup,
    memberships: Memberships,
    tell: (command: CrowdCommand) => Promise<unknown>,
  ): Promise<CrowdResult> {
    const read = await group.stored();
    const expected = memberships.rangesOf(this.#plan.online, read.head);
    const result = (await tell({ op: 'finish', expected })) as CrowdResult;
    const behind = await group.behind(LISTS_LOOKED_AT, read.msgNo);
    if (behind.length > 0) this.#fault(`the lists of ${behind.slice(0, 5).join(', ')} lack messages`);
    for (const fault of result.faults) this.#fault(fault);
    const { sent, acked, delivered } = result;
    const checked: Checked = {
      sent,
      acked,
      stored: read.stored,
      delivered,
      lost: Math.max(0, acked - read.stored) + result.lost + behind.length,
      duplicated: read.duplicated + result.duplicated,
      gaps: read.gaps + result.gaps,
    };
    this.#checked = addChecked(this.#checked, checked);
    return result;
  }

  #findings(rounds: readonly CrossingRound[]): Findings {
    const growth = medianGrowth(rounds.map((round) => round.growth));
    const median = { ...medianOf(rounds), growth };
    const { sizes, online, writers } = this.#plan;
    const fine = (value: number | null | undefined): string =>
      value === null || value === undefined ? '-' : value.toFixed(1);
    const { ackMs, deliverMs, cpuMicrosPerMessage: cpu } = median;
    return {
      config: {
        payloadBytes: PAYLOAD_BYTES,
        sizes: sizes.map(({ members }) => members),
        devices: online.length,
        writers,
        perSecond: CROSSING_PER_SECOND,
      },
      rounds,
      median,
      floor: {},
      ratio: {},
      checked: this.#checked,
      faults: [...this.#faults],
      lines: [
        ...growthLines(growth),
        '',
        `${fine(median.ackedPerSecond)} messages a second; ack p50 ${fine(ackMs?.p50)} ms, p99 ${fine(ackMs?.p99)}, ` +
          `max ${fine(ackMs?.max)}; delivery p50 ${fine(deliverMs?.p50)}, p99 ${fine(deliverMs?.p99)}; ` +
          `longest time without an ack ${fine(median.pauseMsMax)} ms`,
        `CPU a message, comings and goings included: node ${fine(cpu.node)}, redis ${fine(cpu.redis)}, ` +
          `load ${fine(cpu.load)} µs`,
      ],
      plots: growthPlots(growth),
      notMeasured: [
        'Throughput: members write at a low, even rate, so that what a message costs can be told apart.',
        'A floor: nothing that stores nothing has inboxes, or a way of diffusion to change. What counts is the shape of the curve.',
        'Members who come in one by one: they are invited, and removed, in frames of 200.',
      ],
    };
  }
}

/** Behind a change of size: what came by it is written. */
const SETTLE_MS = 300;

export const measureCrossing = (options: BenchOptions, host: BenchHost): Promise<Findings> =>
  new Crossing(options, host).run();
