import { directConversationId, seededRandom, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import type { StoreFormat } from '@millrace/partition';
import { checkAll, create, fallSilent, goWrong, loseTheLast, type Fault, type FaultPlan } from './scenario.ts';
import { SimulatedDevice } from './simulated-device.ts';
import { groupName, userName, World } from './world.ts';
import { NEVER, type WorldOptions } from './world-options.ts';

export interface SimulationOptions extends Partial<WorldOptions>, Partial<FaultPlan> {
  /** How long things go wrong, in virtual milliseconds. */
  readonly durationMs?: number;
  readonly users?: number;
  readonly groups?: number;
}

export interface SimulationReport {
  readonly seed: number;
  /** What the seed chose, or was given. */
  readonly options: Required<SimulationOptions>;
  /** What must not have been, at most the first twenty of it; empty for a good run. */
  readonly violations: readonly string[];
  /** In their order. */
  readonly faults: readonly Fault[];
  readonly counts: Readonly<Record<string, number>>;
}

const HEALED_MS_MAX = 120_000;

/** What a seed decides of the world beside the order of things. */
function optionsOf(seed: number, given: SimulationOptions): Required<SimulationOptions> {
  const random = seededRandom(seed ^ 0x5eed);
  const one = <T>(...of: [T, ...T[]]): T => of[random.uint32() % of.length] ?? of[0];
  return {
    level: one('memory', 'disk'),
    partitionCount: one(1, 2, 4, 7),
    nodes: one(1, 1, 2, 3),
    inboxEntriesMax: one(15, 10_000),
    sendWindow: one(3, 64),
    heldMs: one(60_000, 60_000, 500),
    shards: one(1, 2, 3),
    unsyncedMs: one(1_000, 4_000),
    doubleFaults: false,
    faultChance: one(0, 0.002, 0.01),
    answersLostChance: one(0, 0.05),
    durationMs: 8_000,
    users: one(3, 5),
    groups: one(2, 3),
    faultEveryMs: one(1_000, 3_000),
    // Drawn last, so that what was added to the world leaves other seeds what they were.
    failOvers: one(false, false, true),
    ...one(
      { readAbove: 10_000, writeBelow: 1 },
      { readAbove: 2, writeBelow: 2 },
      { readAbove: 3, writeBelow: 3 },
      { readAbove: 3, writeBelow: 2 },
    ),
    ...one(
      { readAboveLoad: 1e9, writeBelowLoad: 1 },
      { readAboveLoad: 1e9, writeBelowLoad: 1 },
      { readAboveLoad: 20, writeBelowLoad: 8 },
    ),
    hotEntries: one(NEVER, NEVER, 3, 8),
    order: one(false, false, true),
    follows: one(false, false, true),
    calm: 1,
    churn: 1,
    changes: one(0, 0.15, 0.3),
    isSearched: one(false, true),
    storeFormat: one<StoreFormat>(1, 3),
    faultsMax: Infinity,
    without: [],
    ...given,
  };
}

/** A run of the production code over a model of its store, in virtual time. The same seed gives the same run. */
export async function simulate(seed: number, given: SimulationOptions = {}): Promise<SimulationReport> {
  const options = optionsOf(seed, given);
  const world = new World(seed, options);
  const { history, time } = world;
  const users = Array.from({ length: options.users }, (_, index) => userName(index));
  const groups = Array.from({ length: options.groups }, (_, index) => groupName(index));
  const [first, second] = users as [UserId, UserId];
  const direct = directConversationId(first, second);
  const late = 'late' as ConversationId;
  const showsAll = new Set<ConversationId>([direct, late, ...groups.filter(() => world.chance(0.5))]);

  const faults: Fault[] = [];
  let devices: readonly SimulatedDevice[] = [];
  const run = async (): Promise<void> => {
    world.startAll();
    await create(world, users, groups, direct, showsAll);
    devices = users.flatMap((user, index) =>
      (index % 2 === 0 ? ['one', 'two'] : ['one']).map(
        (device) => new SimulatedDevice(world, user, device as DeviceId, index < 2 ? [...groups, direct] : groups),
      ),
    );
    const lives = devices.map((device) => device.live());
    await goWrong(world, time.nowMs + options.durationMs, options, faults);
    if (options.failOvers) await world.settled();
    world.heal();
    for (const device of devices) device.isActive = false;
    await Promise.all(lives);
  };

  let ran = false;
  void run().then(() => {
    ran = true;
  });
  const isDone = (): boolean => ran && devices.every((device) => device.isDone);
  if (!(await time.run(isDone, HEALED_MS_MAX))) history.violated('(liveness) something was never sent');
  else {
    let checked = false;
    const check = async (): Promise<void> => {
      await loseTheLast(world, devices, late);
      await checkAll(world, devices, [...groups, direct, late], showsAll);
      await fallSilent(world, devices, [...groups, direct, late], showsAll);
    };
    void check().then(() => {
      checked = true;
    });
    if (!(await time.run(() => checked, time.nowMs + 2 * HEALED_MS_MAX)))
      history.violated('(liveness) no answer to a sync');
  }
  const sum = (count: (device: SimulatedDevice) => number): number =>
    devices.reduce((total, device) => total + count(device), 0);
  return {
    seed,
    options,
    violations: history.violations,
    faults,
    counts: {
      ...world.counts,
      views: world.store.state.cluster.view?.version ?? 0,
      linkEntries: world.streams.logLength,
      acks: history.acks.length,
      live: world.live.count,
      archived: world.archive.size,
      rolls: world.rolls.done,
      syncs: sum(({ syncs }) => syncs),
      resyncs: sum(({ resyncs }) => resyncs),
      followed: sum(({ followed }) => followed),
      events: time.happened,
    },
  };
}
