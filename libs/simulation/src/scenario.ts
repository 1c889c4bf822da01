import type { ConversationId, DeviceId, UserId } from '@millrace/kernel';
import {
  checkDeletions,
  checkDevice,
  checkList,
  checkPages,
  checkPins,
  checkReceipts,
  checkThreadPages,
  checkTimelines,
} from './check-outcome.ts';
import type { SimulatedDevice } from './simulated-device.ts';
import { NEVER } from './world-options.ts';
import type { Truth } from './truth.ts';
import type { World } from './world.ts';

/** Something that happened to the program or its store. */
export interface Fault {
  /** Of all that were due, those that were left out too. From 0. */
  readonly index: number;
  readonly atMs: number;
  readonly what: string;
}

/** When things go wrong. */
export interface FaultPlan {
  /** The mean time between faults, in virtual milliseconds. */
  readonly faultEveryMs: number;
  /** After so many that were due nothing goes wrong any more. */
  readonly faultsMax: number;
  /** Those that are left out, by their index. */
  readonly without: readonly number[];
}

/** Creates the conversations, tried until they are there. */
export async function create(
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
export async function goWrong(
  world: World,
  untilMs: number,
  { faultEveryMs, faultsMax, without }: FaultPlan,
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
    if (world.options.isSearched && world.chance(0.1)) world.search.lose();
    if (world.options.isSearched && world.chance(0.2)) world.search.rebuild();
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
export async function loseTheLast(
  world: World,
  devices: readonly SimulatedDevice[],
  late: ConversationId,
): Promise<void> {
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
export async function checkAll(
  world: World,
  devices: readonly SimulatedDevice[],
  conversations: readonly ConversationId[],
  showsAll: ReadonlySet<ConversationId>,
): Promise<ReadonlyMap<ConversationId, Truth>> {
  const { history, time } = world;
  // What diffusion still has to do, it must do now.
  await time.sleep(15_000);
  const truths = new Map(conversations.map((each) => [each, world.truth(each, showsAll.has(each))]));
  if (world.options.isSearched) world.search.check(truths.values());
  checkTimelines(world, truths);
  checkDeletions(world, truths);
  world.live.check(truths);
  for (const truth of truths.values()) {
    await checkReceipts(world, truth);
    await checkPins(world, truth);
  }
  for (const { switches, changes } of truths.values()) {
    world.counts.switches += switches;
    world.counts.changes += changes;
  }
  for (const device of devices) {
    let caughtUp = false;
    for (let tries = 0; tries < 2_000 && !caughtUp; tries += 1) {
      caughtUp = await device.sync(world.between(1, 100));
      if (!caughtUp) await time.sleep(1);
    }
    if (!caughtUp) history.violated(`(liveness) ${device.by.user} never caught up`);
    else checkDevice(world, device, truths);
    const list = await world.ask((chat) => chat.conversations(device.by, {}));
    if (world.options.hotEntries < NEVER || world.options.changes > 0) {
      for (const truth of truths.values()) {
        await checkPages(world, device, truth);
        await checkThreadPages(world, device, truth);
      }
    }
    if (!list.ok) history.violated(`(liveness) the list of ${device.by.user}: ${list.error.message}`);
    else checkList(world, device, list.value.conversations, truths);
  }
  return truths;
}

/** Within this everybody with a socket is told of what was lost on its way, whatever it was. */
const TOLD_MS_MAX = 45_000;

/**
 * Everybody connects, and shows everything. Things are said, some come and go, and then nodes, or what they tell each other,
 * while the stores keep what they have. Behind that nobody does anything, and no device asks: where everything stands they
 * are told nevertheless.
 */
export async function fallSilent(
  world: World,
  devices: readonly SimulatedDevice[],
  conversations: readonly ConversationId[],
  showsAll: ReadonlySet<ConversationId>,
): Promise<void> {
  const { history, time } = world;
  await Promise.all(devices.map((device) => device.showAll()));
  const deeds = devices.map(async (device) => {
    for (let more = world.between(1, 4); more > 0; more -= 1) {
      await time.sleep(world.between(0, 400));
      await device.act();
    }
  });
  await Promise.all(deeds);
  while (!devices.every((device) => device.isDone)) await time.sleep(5);
  // What the last entries cause is under way now.
  await time.sleep(world.between(0, 6));
  await interrupt(world);
  // Who was connected to a node that has gone comes to another one, and others once more.
  if (world.chance(0.5)) await Promise.all(devices.map((device) => device.showAll()));
  await time.sleep(TOLD_MS_MAX);
  const truths = new Map(conversations.map((each) => [each, world.truth(each, showsAll.has(each))]));
  checkTimelines(world, truths);
  world.live.check(truths);
  for (const { sockets } of world.nodes) {
    world.counts.told += sockets.count;
    for (const what of sockets.lacking(truths)) history.violated(`(liveness) ${what}`);
  }
}

/** One thing that goes wrong without taking anything of the stores along, or nothing. */
async function interrupt(world: World): Promise<void> {
  const dice = world.between(0, 9);
  if (dice < 3) {
    const { streams } = world;
    streams.crash({ lostOperations: world.between(0, Math.min(12, streams.logLength)), downMs: world.between(5, 800) });
  } else if (dice < 5) world.cut();
  else if (dice < 6) world.kill();
  else if (dice < 7) await world.stop();
  else if (dice < 8) world.pause(world.between(500, 5_000));
  world.startAll();
}
