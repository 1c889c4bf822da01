import type { ConversationId, DeviceId, Result, UserId } from '@millrace/kernel';
import type { ChatService } from '@millrace/messaging';
import type { FrameError } from '@millrace/protocol';
import { expect, it } from 'vitest';
import { checkTimelines } from './check-outcome.ts';
import { SimulatedSender } from './simulated-sender.ts';
import type { Sockets } from './sockets.ts';
import { NEVER, type WorldOptions } from './world-options.ts';
import { World } from './world.ts';

const SEEDS = 60;
const options: WorldOptions = {
  level: 'disk',
  partitionCount: 4,
  storeFormat: 1,
  shards: 1,
  unsyncedMs: 0,
  calm: 1,
  churn: 1,
  changes: 0,
  hotEntries: NEVER,
  isSearched: false,
  nodes: 2,
  inboxEntriesMax: 10_000,
  readAbove: 10_000,
  writeBelow: 1,
  readAboveLoad: 1e9,
  writeBelowLoad: 1,
  sendWindow: 3,
  heldMs: 60_000,
  faultChance: 0,
  answersLostChance: 0,
  doubleFaults: false,
  order: false,
  follows: false,
  failOvers: false,
};
const room = 'room' as ConversationId;
const owner = { user: 'ann' as UserId, device: 'one' as DeviceId };
const writer = { user: 'bob' as UserId, device: 'one' as DeviceId };

/** A world whose network brings some requests of the writer a second time, whenever it likes. */
class LateCopies extends World {
  copies = 0;
  #underWay = 0;

  get isQuiet(): boolean {
    return this.#underWay === 0;
  }

  override ask<T>(
    request: (chat: ChatService, sockets: Sockets) => Promise<Result<T, FrameError>>,
    seat = '',
  ): Promise<Result<T, FrameError>> {
    if (seat !== '' && this.chance(0.5)) {
      this.#underWay += 1;
      this.time.timers.after(this.between(0, 4_000), () => {
        this.copies += 1;
        void super.ask(request, seat).then(() => (this.#underWay -= 1));
      });
    }
    return super.ask(request, seat);
  }
}

async function live(world: LateCopies, sender: SimulatedSender): Promise<number> {
  world.startAll();
  const group = { kind: 'group', conversation: room, title: '', joinPolicy: 'open', historyPolicy: 'all' } as const;
  const create = { ...group, members: [writer.user] };
  while (!(await world.ask((chat) => chat.create(owner, create))).ok) await world.time.sleep(100);
  let written = 0;
  for (let step = 0; step < 40; step += 1) {
    const dice = world.between(0, 9);
    if (dice === 0) await world.ask((chat) => chat.kick(owner, { conversation: room, users: [writer.user] }));
    else if (dice < 4) await world.ask((chat) => chat.join(writer, { conversation: room }));
    else {
      sender.write();
      written += 1;
    }
    await world.time.sleep(world.between(0, 600));
  }
  await world.ask((chat) => chat.join(writer, { conversation: room }));
  return written;
}

it('a copy that comes when its refusal is over takes no number of another message (I4)', async () => {
  let [written, acknowledged, copies, unacknowledged] = [0, 0, 0, 0];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const world = new LateCopies(seed, options);
    const sender = new SimulatedSender(world, writer, room);
    let isOver = false;
    void live(world, sender).then((count) => {
      written += count;
      isOver = true;
    });
    expect(await world.time.run(() => isOver && sender.isDone && world.isQuiet, 300_000), 'it ends').toBe(true);
    const truth = world.truth(room, true);
    checkTimelines(world, new Map([[room, truth]]));
    expect([seed, ...world.history.violations]).toEqual([seed]);
    const numbers = truth.entries.filter(({ n }) => n > 0).map(({ n }) => n);
    expect(numbers, 'in the order of the device').toEqual(numbers.toSorted((left, right) => left - right));
    acknowledged += world.history.acks.length;
    unacknowledged += numbers.length - world.history.acks.length;
    copies += world.copies;
  }
  // Some were refused, and of those some stored all the same.
  expect(acknowledged).toBeLessThan(written);
  expect(unacknowledged).toBeGreaterThan(0);
  expect(copies).toBeGreaterThan(10 * SEEDS);
});
