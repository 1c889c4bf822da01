import { directConversationId, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { STORE_FORMAT } from '@millrace/partition';
import { judgeGrowth, type Grown } from './growth.ts';
import { checkAll, create, goWrong } from './scenario.ts';
import { SimulatedDevice } from './simulated-device.ts';
import { groupName, userName, World } from './world.ts';
import { NEVER, type WorldOptions } from './world-options.ts';

export interface SoakOptions {
  /** Of simulated time. */
  readonly hours: number;
  readonly nodes?: number;
  /** What the process holds after everything that can go has gone, bytes. */
  readonly heapBytes: () => number;
  /** Told after each simulated hour. */
  readonly hour: (report: SoakHour) => void;
}

/** What was measured at the end of an interval, or was the most in it. */
export type SoakSample = Readonly<Record<string, number>>;

export interface SoakHour {
  readonly hour: number;
  /** Of the hour's last interval. */
  readonly sample: SoakSample;
  /** Since the beginning. */
  readonly faults: number;
  readonly acks: number;
}

export interface SoakReport {
  readonly violations: readonly string[];
  readonly samples: readonly SoakSample[];
  readonly faults: number;
  readonly acks: number;
  /** What went on growing, by the rule of `judgeGrowth`. */
  readonly grown: readonly Grown[];
}

const INTERVAL_MS = 10 * 60_000;
const INTERVALS_PER_HOUR = 6;
/** An interval, and what healing, checking and reading take, with room. */
const INTERVAL_MS_MAX = 2 * INTERVAL_MS;
const PEAK_EVERY_MS = 1_000;
const GROWING = ['commandsQueued', 'commandsRouting', 'usersBehind', 'commitsUndiffused', 'linkCalls'] as const;

const options: WorldOptions = {
  level: 'disk',
  partitionCount: 4,
  storeFormat: STORE_FORMAT,
  shards: 2,
  unsyncedMs: 0,
  nodes: 3,
  inboxEntriesMax: 200,
  readAbove: 3,
  writeBelow: 3,
  readAboveLoad: 1e9,
  writeBelowLoad: 1,
  sendWindow: 64,
  heldMs: 10_000,
  faultChance: 0.0005,
  answersLostChance: 0.01,
  doubleFaults: false,
  order: false,
  follows: false,
  failOvers: true,
  calm: 8,
  churn: 0.3,
  // What is changed is remembered for ever, and would be taken for something that grows.
  changes: 0,
  hotEntries: NEVER,
  isSearched: false,
};
const faultPlan = { faultEveryMs: 20_000, faultsMax: Infinity, without: [] };

/**
 * One world for many hours, with faults all along. Every ten minutes it is healed, everything that happened since the
 * last time is checked, and then taken away, so that whatever still grows is of the program, or of what it stores. At
 * ack level `disk`: there nothing is lost, and every check holds.
 */
export async function soak(seed: number, given: SoakOptions): Promise<SoakReport> {
  const world = new World(seed, { ...options, nodes: given.nodes ?? options.nodes });
  const { history, time } = world;
  const users = [0, 1, 2, 3, 4].map(userName);
  const groups = [0, 1, 2].map(groupName);
  const direct = directConversationId(users[0] as UserId, users[1] as UserId);
  const conversations = [...groups, direct];
  const showsAll = new Set<ConversationId>([direct, groupName(1)]);
  const devices = users.flatMap((user, index) =>
    (index % 2 === 0 ? ['one', 'two'] : ['one']).map(
      (device) => new SimulatedDevice(world, user, device as DeviceId, index < 2 ? conversations : groups),
    ),
  );
  const samples: SoakSample[] = [];
  let [faults, acks] = [0, 0];
  const began = create(world, users, groups, direct, showsAll);
  world.startAll();

  for (let interval = 1; interval <= given.hours * INTERVALS_PER_HOUR; interval += 1) {
    let peaks: SoakSample = {};
    const work = async (): Promise<void> => {
      await began;
      const live = liveFor(world, devices, INTERVAL_MS);
      peaks = live.peaks;
      faults += await live.done;
      acks += history.acks.length;
      await settle(world, devices, conversations, showsAll);
    };
    let done = false;
    void work().then(() => {
      done = true;
    });
    if (!(await time.run(() => done, time.nowMs + INTERVAL_MS_MAX))) history.violated('(liveness) it went on for ever');
    if (history.violations.length > 0) break;
    const sample = { ...peaks, ...sizes(world), heapBytes: given.heapBytes() };
    samples.push(sample);
    if (interval % INTERVALS_PER_HOUR === 0) given.hour({ hour: interval / INTERVALS_PER_HOUR, sample, faults, acks });
  }
  return { violations: history.violations, samples, faults, acks, grown: judgeGrowth(samples) };
}

/** Lets devices live and things go wrong, until everything that was written is acknowledged. */
function liveFor(
  world: World,
  devices: readonly SimulatedDevice[],
  forMs: number,
): { readonly done: Promise<number>; readonly peaks: Record<string, number> } {
  const { time } = world;
  const peaks: Record<string, number> = {};
  const run = async (): Promise<number> => {
    world.unheal();
    for (const device of devices) device.isActive = true;
    const lives = devices.map((device) => device.live());
    let isOver = false;
    const watch = async (): Promise<void> => {
      while (!isOver) {
        const now = { ...statsOf(world), linkEntries: world.streams.state.size };
        for (const [name, value] of Object.entries(now)) peaks[name] = Math.max(peaks[name] ?? 0, value);
        await time.sleep(PEAK_EVERY_MS);
      }
    };
    void watch();
    const { length } = world.told;
    await goWrong(world, time.nowMs + forMs, faultPlan, []);
    await world.settled();
    world.heal();
    for (const device of devices) device.isActive = false;
    await Promise.all(lives);
    while (!devices.every(({ isDone }) => isDone)) await time.sleep(100);
    isOver = true;
    return world.told.length - length;
  };
  return { done: run(), peaks };
}

/** Checks everything, lets everyone read it, and takes away what was only there to be checked. */
async function settle(
  world: World,
  devices: readonly SimulatedDevice[],
  conversations: readonly ConversationId[],
  showsAll: ReadonlySet<ConversationId>,
): Promise<void> {
  const { history, time } = world;
  await checkAll(world, devices, conversations, showsAll);
  for (const device of devices) {
    while (!(await device.readAll())) await time.sleep(100);
  }
  // Once more, with everything read: nothing happened but that.
  const truths = await checkAll(world, devices, conversations, showsAll);
  if (history.violations.length > 0) return;
  world.keep(truths.values());
  for (const device of devices) device.forget();
}

/** What of each node that lives grows where it is never taken away, together. */
function statsOf({ nodes }: World): Record<(typeof GROWING)[number], number> {
  const sums = { commandsQueued: 0, commandsRouting: 0, usersBehind: 0, commitsUndiffused: 0, linkCalls: 0 };
  for (const { chatNode } of nodes) {
    const stats = chatNode.stats();
    for (const name of GROWING) sums[name] += stats[name];
  }
  return sums;
}

/** What is stored, and what the world itself holds. */
function sizes(world: World): SoakSample {
  const { keys, fields, inboxEntries, feed } = world.store.state.size;
  return {
    storeKeys: keys + world.streams.state.count,
    storeFields: fields,
    inboxEntries,
    feedEntries: feed,
    plannedEvents: world.time.planned,
  };
}
