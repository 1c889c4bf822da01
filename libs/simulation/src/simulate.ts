import { directConversationId, seededRandom, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { checkDevice, checkList, checkTimelines } from './check-outcome.ts';
import { SimulatedDevice } from './simulated-device.ts';
import { Truth } from './truth.ts';
import { groupName, userName, World, type WorldOptions } from './world.ts';

export interface SimulationOptions extends Partial<WorldOptions> {
  /** How long things go wrong, in virtual milliseconds. */
  readonly durationMs?: number;
  readonly users?: number;
  readonly groups?: number;
  /** The mean time between faults of the program and of the store, in virtual milliseconds. */
  readonly faultEveryMs?: number;
  /** After so many faults that were due nothing goes wrong any more. */
  readonly faultsMax?: number;
  /** Faults that are left out, by their index. */
  readonly without?: readonly number[];
}

/** Something that happened to the program or its store. */
export interface Fault {
  /** Of all that were due, those that were left out too. From 0. */
  readonly index: number;
  readonly atMs: number;
  readonly what: string;
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
  const showsAll = new Set<ConversationId>([direct, ...groups.filter(() => world.chance(0.5))]);

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
  else await checkAll(world, devices, [...groups, direct], showsAll);
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
      syncs: sum(({ syncs }) => syncs),
      resyncs: sum(({ resyncs }) => resyncs),
      events: time.happened,
    },
  };
}

async function create(
  world: World,
  users: readonly UserId[],
  groups: readonly ConversationId[],
  direct: ConversationId,
  showsAll: ReadonlySet<ConversationId>,
): Promise<void> {
  const [owner, peer] = users as [UserId, UserId];
  const by = { user: owner, device: 'one' as DeviceId };
  for (const conversation of [...groups, direct]) {
    const kind = conversation === direct ? ('direct' as const) : ('group' as const);
    // Everyone is in the first group, and stays; of the others only some, at first.
    const members = kind === 'direct' ? [peer] : users.filter(() => conversation === groups[0] || world.chance(0.6));
    const historyPolicy = showsAll.has(conversation) ? ('all' as const) : ('join' as const);
    for (;;) {
      const created = await world.ask((chat) =>
        chat.create(by, { kind, conversation, members, joinPolicy: 'open', historyPolicy, title: conversation }),
      );
      if (created.ok) break;
      await world.time.sleep(100);
    }
  }
}

/** Lets one thing after the other happen to the program and its store, and writes down what. */
async function goWrong(
  world: World,
  untilMs: number,
  { faultEveryMs, faultsMax, without }: Required<SimulationOptions>,
  faults: Fault[],
): Promise<void> {
  const { time } = world;
  for (let index = 0; time.nowMs < untilMs && index < faultsMax; index += 1) {
    await time.sleep(world.between(faultEveryMs / 4, faultEveryMs * 2));
    await world.settled();
    const dice = world.between(0, 9);
    if (without.includes(index)) continue;
    const atMs = Math.round(time.nowMs);
    const { length } = world.told;
    await strike(world, dice);
    const what = world.told.slice(length).join(', ');
    if (what !== '') faults.push({ index, atMs, what });
  }
}

/** One fault, or nothing: which, the dice say, from 0 to 9. */
async function strike(world: World, dice: number): Promise<void> {
  const { time } = world;
  if (dice < 4) {
    world.kill();
    // The store may go down with it.
    if (world.chance(0.3)) world.crashStore();
    await time.sleep(world.between(0, 1_000));
    await world.settled();
    world.start();
    if (world.options.failOvers && world.chance(0.3)) {
      // While the partitions are claimed.
      await time.sleep(world.between(0, 8));
      world.failOverStore();
    }
  } else if (dice < 6) world.crashStore();
  else if (dice < 7) {
    // All nodes at once, or one for longer than its lease.
    if (world.chance(0.5)) world.cut();
    else world.cutOne(world.between(5, 6_000));
  } else if (dice < 8) {
    await world.stop();
    world.start();
  } else if (dice < 9) {
    world.pause(world.between(500, 8_000));
    if (world.chance(0.7)) world.start();
  } else if (world.options.failOvers) world.failOverStore();
  if (!world.isUp && world.chance(0.5)) world.start();
  if (world.chance(0.3)) world.startAll();
}

/**
 * Something is said, some come and go, a conversation is created, and it reaches who it concerns; then a store loses its
 * end. Whatever of it is gone on one side and not on the other, nobody says anything more.
 */
async function loseTheLast(world: World, devices: readonly SimulatedDevice[], late: ConversationId): Promise<void> {
  const [first] = devices;
  if (first === undefined || world.chance(0.3)) return;
  const members = devices.map(({ by }) => by.user).filter(() => world.chance(0.7));
  const deeds = devices.map(async (device) => {
    await world.time.sleep(world.between(0, 1_500));
    await device.act();
  });
  if (world.chance(0.7)) {
    await world.ask((chat) =>
      chat.create(first.by, { kind: 'group', conversation: late, members, joinPolicy: 'open', title: late }),
    );
  }
  await Promise.all(deeds);
  while (!devices.every((device) => device.isDone)) await world.time.sleep(50);
  await world.time.sleep(world.between(0, 1_500));
  world.loseQuietly();
}

/** Nothing goes wrong any more: everyone gets everything, and all of it is what it should be. */
async function checkAll(
  world: World,
  devices: readonly SimulatedDevice[],
  conversations: readonly ConversationId[],
  showsAll: ReadonlySet<ConversationId>,
): Promise<void> {
  const { history, time } = world;
  const late = 'late' as ConversationId;
  const truthsNow = (): ReadonlyMap<ConversationId, Truth> =>
    new Map(
      [...conversations, late].map((conversation) => [
        conversation,
        new Truth(
          world.store.state,
          (actor) => world.partitionOf(actor),
          conversation,
          conversation === late || showsAll.has(conversation),
        ),
      ]),
    );
  // What diffusion still has to do, it must do now.
  let checked = false;
  const check = async (): Promise<void> => {
    await loseTheLast(world, devices, late);
    await time.sleep(15_000);
    const truths = truthsNow();
    checkTimelines(world, truths);
    for (const device of devices) {
      let caughtUp = false;
      for (let tries = 0; tries < 2_000 && !caughtUp; tries += 1) {
        caughtUp = await device.sync(world.between(1, 100));
        if (!caughtUp) await time.sleep(1);
      }
      if (!caughtUp) history.violated(`(liveness) ${device.by.user} never caught up`);
      else checkDevice(world, device, truths);
      const list = await world.ask((chat) => chat.conversations(device.by, {}));
      if (!list.ok) history.violated(`(liveness) the list of ${device.by.user}: ${list.error.message}`);
      else checkList(world, device, list.value.conversations, truths);
    }
  };
  void check().then(() => {
    checked = true;
  });
  if (!(await time.run(() => checked, time.nowMs + HEALED_MS_MAX))) history.violated('(liveness) no answer to a sync');
}
