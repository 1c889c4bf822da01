import type { ConversationId, DeviceId, UserId } from '@millrace/kernel';
import { conversationKey } from '@millrace/timeline';
import { expect, it } from 'vitest';
import { checkTimelines } from './check-outcome.ts';
import { SimulatedSender } from './simulated-sender.ts';
import { World } from './world.ts';
import { NEVER, type WorldOptions } from './world-options.ts';

const SEEDS = 60;
/** Full stops. */
const STOPS = 100;
const options: WorldOptions = {
  level: 'memory',
  partitionCount: 4,
  storeFormat: 1,
  readAbove: 1_000,
  writeBelow: 1_000,
  readAboveLoad: 1e9,
  writeBelowLoad: 1,
  // What is kept of the cluster, the views among it, is on the first.
  shards: 2,
  unsyncedMs: 0,
  calm: 1,
  churn: 1,
  changes: 0,
  hotEntries: NEVER,
  isSearched: false,
  nodes: 2,
  inboxEntriesMax: 10_000,
  sendWindow: 3,
  heldMs: 60_000,
  faultChance: 0,
  answersLostChance: 0,
  doubleFaults: false,
  order: false,
  follows: false,
  failOvers: false,
};
const SHARD = 1;
const owner = { user: 'ann' as UserId, device: 'one' as DeviceId };

function roomOf(world: World): ConversationId {
  const names = Array.from({ length: 100 }, (_, at) => `room${String(at)}` as ConversationId);
  const room = names.find((name) => world.shardOf(world.partitionOf(conversationKey(name))) === SHARD);
  expect(room).toBeDefined();
  return room as ConversationId;
}

async function create(world: World, conversation: ConversationId): Promise<void> {
  const group = { kind: 'group', title: '', joinPolicy: 'open', historyPolicy: 'all', members: [] } as const;
  while (!(await world.ask((chat) => chat.create(owner, { ...group, conversation }))).ok) await world.time.sleep(100);
}

/** Writes, and waits for the acknowledgements. */
async function say(world: World, sender: SimulatedSender, messages: number): Promise<void> {
  for (let count = 0; count < messages; count += 1) sender.write();
  while (!sender.isDone) await world.time.sleep(20);
}

/** How long the log of the shard was when an owner of the partition released it last, 0 when none has. */
function watchReleases(world: World, partition: number): () => number {
  let length = 0;
  const { audit } = world.history;
  const executed = audit.executed.bind(audit);
  audit.executed = (operation) => {
    executed(operation);
    if (operation.kind === 'release' && operation.partition === partition) length = world.store.logLength(SHARD);
  };
  return () => length;
}

/** @returns how many acknowledged messages went with the store's end. */
async function live(world: World, room: ConversationId): Promise<number> {
  const sender = new SimulatedSender(world, owner, room);
  world.startAll();
  await create(world, room);
  await say(world, sender, 3);
  await world.time.sleep(3_000);
  const releasedAt = watchReleases(world, world.partitionOf(conversationKey(room)));
  // One node hands everything over; the other one goes on, and ends together with the store.
  await world.stop();
  await world.time.sleep(500);
  await say(world, sender, 6);
  world.kill();
  const acked = world.history.acks.length;
  // To just behind the release, and before the claim that followed it; or to somewhere, when nobody had to release.
  const since = world.store.logLength(SHARD) - releasedAt();
  const lostOperations = releasedAt() > 0 ? since : world.between(0, 6);
  world.store.crash({ lostOperations, downMs: 100, shard: SHARD });
  const left = world.truth(room, true);
  const lost = acked - left.entries.filter(({ n }) => n > 0).length;
  world.startAll();
  await say(world, sender, 3);
  return lost;
}

/** Stops all nodes, at once or shortly behind each other, and then the store; and starts everything again. */
async function stopAll(world: World, room: ConversationId, withinMs: number): Promise<void> {
  const sender = new SimulatedSender(world, owner, room);
  world.startAll();
  await create(world, room);
  await say(world, sender, 3);
  await world.time.sleep(world.between(0, withinMs));
  while (!world.nodes.every(({ serves }) => serves)) await world.time.sleep(1);
  const stops = [world.stop()];
  for (let more = world.options.nodes - 1; more > 0; more -= 1) {
    if (world.chance(0.5)) await world.time.sleep(world.between(0, 400));
    stops.push(world.stop());
  }
  await Promise.all(stops);
  world.store.crash({ lostOperations: 0, downMs: 100, shard: SHARD });
  world.startAll();
  await say(world, sender, 3);
}

// Early, the last nodes have just come, and partitions move to them.
it.each([
  { nodes: 2, withinMs: 3_000 },
  { nodes: 3, withinMs: 120 },
])(
  'a store that is started again after all $nodes nodes have stopped within $withinMs ms has lost nothing, whoever stopped first',
  async ({ nodes, withinMs }) => {
    const begunForNothing: number[] = [];
    for (let seed = 1; seed <= STOPS; seed += 1) {
      const world = new World(seed, { ...options, nodes });
      const room = roomOf(world);
      let isOver = false;
      void stopAll(world, room, withinMs).then(() => {
        isOver = true;
      });
      expect(await world.time.run(() => isOver, 300_000), 'it ends').toBe(true);
      const left = world.truth(room, true);
      const stored = left.entries.filter(({ n }) => n > 0).length;
      expect([seed, world.counts.stops, world.history.acks.length - stored]).toEqual([seed, nodes, 0]);
      for (let times = world.counts.generations; times > 0; times -= 1) begunForNothing.push(seed);
    }
    // docs/loss.md says when one begins for nothing all the same.
    expect(begunForNothing).toEqual([]);
  },
  120_000,
);

it('what an owner acknowledged that the store has forgotten is not passed over for a clean stop before it (I1)', async () => {
  let [lost, begun] = [0, 0];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const world = new World(seed, options);
    const room = roomOf(world);
    let isOver = false;
    void live(world, room).then((count) => {
      lost += count;
      isOver = true;
    });
    expect(await world.time.run(() => isOver, 300_000), 'it ends').toBe(true);
    const truth = world.truth(room, true);
    checkTimelines(world, new Map([[room, truth]]));
    expect([seed, ...world.history.violations]).toEqual([seed]);
    begun += world.counts.generations;
  }
  expect(lost).toBeGreaterThan(SEEDS);
  expect(begun).toBeGreaterThan(SEEDS / 2);
});
