import { sequenceId, type ConversationId } from '@millrace/kernel';
import type { ConversationSummary } from '@millrace/protocol';
import type { SimulatedDevice } from './simulated-device.ts';
import type { Truth, TrueEntry } from './truth.ts';
import type { World } from './world.ts';

const name = ({ gen, seq }: { readonly gen: number; readonly seq: number }): string => `${String(gen)}-${String(seq)}`;

/** Holds the Timelines against what was acknowledged. */
export function checkTimelines(world: World, truths: ReadonlyMap<ConversationId, Truth>): void {
  const { history } = world;
  for (const truth of truths.values()) {
    checkDensity(world, truth);
    checkOnce(world, truth);
    if (world.options.level === 'disk' && (truth.head?.gen ?? 1) !== 1) {
      history.violated(
        `${truth.conversation} is in generation ${String(truth.head?.gen)} at a level that loses nothing`,
      );
    }
  }
  for (const { conversation, at, body, id, losses } of history.acks) {
    const truth = truths.get(conversation);
    const found = truth?.entries.find(({ seq }) => seq === at.seq);
    if (found?.gen === at.gen && found.body === body) continue;
    const isAdmitted = world.options.level === 'memory' && losses < history.losses;
    if (isAdmitted && truth?.wasLost(at.gen, at.seq) !== false) continue;
    history.violated(`(I1) ${id} was acknowledged at ${conversation} ${name(at)}, and is not there`);
  }
}

function checkDensity({ history }: World, { conversation, entries, head, since }: Truth): void {
  entries.forEach(({ gen, seq }, index) => {
    const before = entries[index - 1];
    const place = since + index + 1;
    if (seq !== place) history.violated(`(I3) ${conversation} has ${String(seq)} in place ${String(place)}`);
    if (before !== undefined && gen < before.gen) history.violated(`(I3) ${conversation}: a generation goes back`);
  });
  if (head !== null && head.seq !== since + entries.length) {
    history.violated(`(I3) ${conversation} has its head at ${String(head.seq)} and ${String(entries.length)} entries`);
  }
}

function checkOnce({ history }: World, { conversation, entries }: Truth): void {
  const places = new Map<string, TrueEntry>();
  for (const entry of entries) {
    if (entry.type === 'control' || typeof entry.body !== 'string') continue;
    const before = places.get(entry.body);
    if (before !== undefined) {
      history.violated(`(I4) "${entry.body}" is in ${conversation} at ${name(before)} and at ${name(entry)}`);
    }
    places.set(entry.body, entry);
  }
}

/** Holds what a device was told, all of it by now, against what its user was to get (I6, I7). */
export function checkDevice(world: World, device: SimulatedDevice, truths: ReadonlyMap<ConversationId, Truth>): void {
  const { user, device: id } = device.by;
  for (const truth of truths.values()) {
    const seen = device.view.of(truth.conversation);
    for (const entry of truth.entries) {
      const shown = seen.get(entry.seq);
      if (shown === undefined) {
        if (truth.receives(user, entry.seq)) {
          world.history.violated(`(I6) ${user}/${id} misses ${truth.conversation} ${name(entry)}`);
        }
      } else if (!truth.maySee(user, entry.seq)) {
        world.history.violated(`(I7) ${user}/${id} was shown ${truth.conversation} ${name(entry)}`);
      } else if (shown.gen !== entry.gen || shown.body !== entry.body) {
        world.history.violated(`(I6) ${user}/${id} shows something else at ${truth.conversation} ${name(entry)}`);
      }
    }
    const last = truth.entries.at(-1)?.seq ?? truth.since;
    for (const [seq, { gen }] of seen) {
      if (seq > last) world.history.violated(`(I1) ${user}/${id} shows ${truth.conversation} ${name({ gen, seq })}`);
    }
  }
}

/** Holds what a conversation counts of its last message, and of one before, against the positions in its record. */
export async function checkReceipts(world: World, truth: Truth): Promise<void> {
  const messages = truth.entries.filter(({ countable }) => countable);
  for (const entry of [messages.at(-1), messages.at(-7)]) {
    if (entry === undefined) continue;
    const { conversation } = truth;
    const seq = sequenceId(entry.seq);
    const told = await world.ask((chat) => chat.listReaders({ conversation, seq }));
    if (!told.ok) {
      world.history.violated(`(liveness) the readers of ${conversation} ${name(entry)}: ${told.error.message}`);
      continue;
    }
    const { recipients, delivered, read } = told.value;
    const found = JSON.stringify(truth.receipts(entry));
    if (JSON.stringify({ recipients, delivered, read }) !== found) {
      const counts = JSON.stringify({ recipients, delivered, read });
      world.history.violated(`${conversation} ${name(entry)} has the receipts ${counts}, and a recount finds ${found}`);
    }
  }
}

/** Holds a user's conversation list against the Timelines: heads, membership, and unread counted again. */
export function checkList(
  world: World,
  device: SimulatedDevice,
  list: readonly ConversationSummary[],
  truths: ReadonlyMap<ConversationId, Truth>,
): void {
  const { user } = device.by;
  for (const truth of truths.values()) {
    const last = truth.entries.filter(({ seq }) => truth.receives(user, seq)).at(-1);
    const summary = list.find(({ conversation }) => conversation === truth.conversation);
    const where = `${truth.conversation} for ${user}`;
    if (last === undefined || summary === undefined) {
      if (last !== undefined) world.history.violated(`(I6) ${truth.conversation} is not in the list of ${user}`);
      if (summary !== undefined && truth.since === 0) {
        world.history.violated(`(I6) ${where} is listed, and they never were in it`);
      }
      continue;
    }
    if (summary.gen !== last.gen || summary.seq !== last.seq) {
      world.history.violated(`(I6) ${where} is listed at ${name(summary)}, and stands at ${name(last)}`);
    }
    if (summary.member !== truth.isIn(user)) world.history.violated(`${where} has its membership wrong`);
    const readSeq = truth.readSeq(user);
    if (summary.readSeq !== readSeq) {
      world.history.violated(`${where} is read up to ${String(summary.readSeq)}, and up to ${String(readSeq)} it says`);
    }
    const mentions = truth.mentions(user, summary.readSeq);
    const told = summary.mentions ?? [];
    if (told.join() !== mentions.join()) {
      world.history.violated(`${where} is told of the mentions ${told.join()}, and a recount finds ${mentions.join()}`);
    }
    const unread = truth.unread(user, summary.readSeq);
    if (summary.unread !== unread) {
      world.history.violated(`${where} has ${String(summary.unread)} unread, and a recount finds ${String(unread)}`);
    }
  }
}
