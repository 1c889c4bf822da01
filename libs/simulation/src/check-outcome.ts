import { type Seen, seenOf } from './device-view.ts';
import { type ConversationId, type SequenceId, sequenceId, type UserId } from '@millrace/kernel';
import type { ControlBody, ConversationSummary, Reaction } from '@millrace/protocol';
import type { SimulatedDevice } from './simulated-device.ts';
import type { Truth, TrueEntry } from './truth.ts';
import type { World } from './world.ts';

const name = ({ gen, seq }: { readonly gen: number; readonly seq: number }): string => `${String(gen)}-${String(seq)}`;

/** What its device has sent: an edit names the one before it, which no device says. */
function said({ type, body }: TrueEntry): string {
  if (type !== 'control') return String(body);
  const { previous: _previous, ...control } = JSON.parse(String(body)) as { readonly previous?: number };
  return JSON.stringify(control);
}

/** Holds the Timelines against what was acknowledged. */
export function checkTimelines(world: World, truths: ReadonlyMap<ConversationId, Truth>): void {
  const { history } = world;
  for (const truth of truths.values()) {
    checkDensity(world, truth);
    checkOnce(world, truth);
    checkOrder(world, truth);
    checkThreads(world, truth);
    if (world.options.level === 'disk' && (truth.head?.gen ?? 1) !== 1) {
      history.violated(
        `${truth.conversation} is in generation ${String(truth.head?.gen)} at a level that loses nothing`,
      );
    }
  }
  for (const { conversation, at, body, id, losses } of history.acks) {
    const truth = truths.get(conversation);
    const found = truth?.entries.find(({ seq }) => seq === at.seq);
    if (found?.gen === at.gen && said(found) === body) continue;
    const isAdmitted = world.options.level === 'memory' && losses < history.losses;
    if (isAdmitted && truth?.wasLost(at.gen, at.seq) !== false) continue;
    history.violated(`(I1) ${id} was acknowledged at ${conversation} ${name(at)}, and is not there`);
  }
}

/** What a user was told that it is deleted for them, is. */
export function checkDeletions({ history, options }: World, truths: ReadonlyMap<ConversationId, Truth>): void {
  for (const { conversation, user, seq, losses } of history.deletions) {
    if (truths.get(conversation)?.hasDeleted(user, seq) === true) continue;
    if (options.level === 'memory' && losses < history.losses) continue;
    history.violated(`(I1) ${user} was told that ${conversation} ${String(seq)} is deleted, and it is not`);
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

/** Whoever answers a message sees it (I7, I11), and comes into its thread; nobody answers what was recalled before. */
export function checkThreads({ history }: World, truth: Truth): void {
  const recalled = new Set<number>();
  for (const entry of truth.entries) {
    const { type, body, from, replyTo, thread } = entry;
    if (type === 'control') {
      const control = JSON.parse(String(body)) as ControlBody;
      if (control.control === 'recalled') recalled.add(control.seq);
      continue;
    }
    if (replyTo === undefined || from === null || replyTo <= truth.since) continue;
    const where = `${truth.conversation} ${name(entry)}`;
    const target = truth.entries.find(({ seq }) => seq === replyTo);
    if (target === undefined || target.type === 'control' || replyTo >= entry.seq || !truth.maySee(from, replyTo)) {
      history.violated(`(I11) ${from} answered by ${where} what is not there, or not theirs to see`);
    } else if (recalled.has(replyTo)) history.violated(`${where} answers what was recalled`);
    else if (thread !== (target.thread ?? replyTo)) history.violated(`${where} stands in thread ${String(thread)}`);
  }
}

/** Nobody writes who is not in, is banned, or muted: by the entries before (I7, I11). */
function checkOrder({ history, counts }: World, truth: Truth): void {
  const banned = new Set<UserId>();
  const mutedUntilMs = new Map<UserId, number>();
  for (const entry of truth.entries) {
    const { type, body, from, seq, at } = entry;
    const where = `${truth.conversation} ${name(entry)}`;
    if (type !== 'control') {
      if (from === null) continue;
      if (!truth.receives(from, seq)) history.violated(`(I11) ${from} wrote ${where}, and was not in`);
      if (banned.has(from)) history.violated(`(I11) ${from} wrote ${where}, and was banned`);
      if ((mutedUntilMs.get(from) ?? 0) > at) history.violated(`(I11) ${from} wrote ${where}, and was muted`);
      continue;
    }
    const control = JSON.parse(String(body)) as ControlBody;
    if (control.control === 'joined' && control.users.some((user) => banned.has(user)))
      history.violated(`(I11) one that is banned came in by ${where}`);
    if (control.control === 'muted' || control.control === 'banned') counts.orders += 1;
    if (control.control === 'banned') for (const user of control.users) banned.add(user);
    if (control.control === 'unbanned') for (const user of control.users) banned.delete(user);
    if (control.control === 'muted')
      for (const user of control.users) mutedUntilMs.set(user, control.until ?? Infinity);
    if (control.control === 'unmuted') for (const user of control.users) mutedUntilMs.delete(user);
    // Nobody would be there to unmute an owner.
    if (control.control === 'role' && control.role === 'owner') mutedUntilMs.delete(control.user);
  }
}

/** Holds what a device was told, all of it by now, against what its user was to get (I6, I7). */
export function checkDevice(world: World, device: SimulatedDevice, truths: ReadonlyMap<ConversationId, Truth>): void {
  const { user, device: id } = device.by;
  for (const truth of truths.values()) {
    const seen = device.view.of(truth.conversation);
    const [told, readSeq] = [device.view.readSeq(truth.conversation), truth.readSeq(user)];
    // What was lost of positions no device takes back.
    if (told !== undefined && told !== readSeq && world.history.losses === 0) {
      const where = `${truth.conversation} up to ${String(told)}, and not to ${String(readSeq)}`;
      world.history.violated(`${user}/${id} was told to have read ${where}`);
    }
    for (const entry of truth.entries) {
      const shown = seen.get(entry.seq);
      if (shown === undefined) {
        if (truth.receives(user, entry.seq)) {
          world.history.violated(`(I6) ${user}/${id} misses ${truth.conversation} ${name(entry)}`);
        }
      } else if (!truth.maySee(user, entry.seq)) {
        world.history.violated(`(I7) ${user}/${id} was shown ${truth.conversation} ${name(entry)}`);
      } else if (shown.gen !== entry.gen || !isShownAsItIs(world, truth, user, entry, shown, false)) {
        const what = JSON.stringify([shown, truth.statesFor(user, entry.seq).states, entry.body]);
        world.history.violated(
          `(I6) ${user}/${id} shows something else at ${truth.conversation} ${name(entry)}: ${what}`,
        );
      }
    }
    const last = truth.entries.at(-1)?.seq ?? truth.since;
    for (const [seq, { gen }] of seen) {
      if (seq > last) world.history.violated(`(I1) ${user}/${id} shows ${truth.conversation} ${name({ gen, seq })}`);
    }
  }
}

/**
 * Whether a message is shown as what has become of it to this user, as entry by entry it did.
 *
 * @param isRead - in an answer that was read now, and not put together from what a device was told.
 */
function isShownAsItIs(
  world: World,
  truth: Truth,
  user: UserId,
  entry: TrueEntry,
  shown: Seen,
  isRead: boolean,
): boolean {
  if (entry.type === 'control') {
    const isWhole = shown.body === entry.body && !(isRead && truth.isTakenBack(entry));
    return isWhole || shown.body === withoutBody(String(entry.body));
  }
  const { states, anyOf } = truth.statesFor(user, entry.seq);
  const isDeleted = truth.hasDeleted(user, entry.seq);
  // A deletion may be lost with the end of either side.
  if (shown.isDeleted !== isDeleted) return world.history.losses > 0;
  if (isDeleted) return shown.body === '';
  const may = isRead ? states.slice(-1) : states;
  return may.some(({ rev, body, isRecalled, reacted, replies, lastReply }) => {
    if (shown.body !== body || shown.isRecalled !== isRecalled) return false;
    const isAsAnswered = shown.replies === replies && shown.lastReply === lastReply;
    if (anyOf === null || isRead) return shown.rev === rev && isAsAnswered && isReacted(shown, reacted);
    return namesUnder(shown).every((name) => anyOf.has(name));
  });
}

const namesUnder = ({ reactions }: Seen): readonly string[] =>
  (JSON.parse(reactions) as readonly Reaction[]).flatMap(({ emoji, count, users }) =>
    users.length === count ? users.map((user) => `${user} ${emoji}`) : ['not all of them'],
  );

/** Whether what stands under a message are these reactions, counted and by whom. */
const isReacted = (shown: Seen, reacted: readonly string[]): boolean =>
  namesUnder(shown).toSorted().join() === [...reacted].sort().join();

/** An edit that another one has overtaken: what it said is not told any more. */
function withoutBody(text: string): string {
  const { control, seq } = JSON.parse(text) as { readonly control: string; readonly seq: number };
  return JSON.stringify({ control, seq });
}

/**
 * Holds the pages of a conversation, read backward from its end, against its entries: across both tiers, without a hole
 * and nothing twice (I8).
 */
export async function checkPages(world: World, device: SimulatedDevice, truth: Truth): Promise<void> {
  const { user } = device.by;
  const { conversation } = truth;
  const expected = truth.entries.filter(({ seq }) => truth.maySee(user, seq));
  if (expected.length === 0) return;
  const read: string[] = [];
  for (let from: SequenceId | undefined; ;) {
    const start = from === undefined ? {} : { from };
    const limit = world.between(1, 7);
    const page = await world.ask((chat) =>
      chat.history(device.by, { conversation, direction: 'backward', limit, ...start }),
    );
    if (!page.ok) {
      world.history.violated(`(liveness) a page of ${conversation} for ${user}: ${page.error.message}`);
      return;
    }
    const { messages, hasMore } = page.value;
    for (const entry of messages) {
      read.push(name(entry));
      const held = expected.find(({ gen, seq }) => gen === entry.gen && seq === entry.seq);
      if (held !== undefined && !isShownAsItIs(world, truth, user, held, seenOf(entry), true)) {
        world.history.violated(
          `(I8) a page shows ${user} ${conversation} ${name(entry)} as ${String(entry.message.body)}`,
        );
      }
    }
    if (!hasMore) break;
    from = sequenceId((messages.at(-1)?.seq ?? 1) - 1);
  }
  const whole = expected.map(name).toReversed();
  const at = whole.findIndex((line, index) => line !== read[index]);
  if (at < 0 && read.length === whole.length) return;
  const place = at < 0 ? whole.length : at;
  world.history.violated(
    `(I8) pages of ${conversation} for ${user} have ${read[place] ?? 'nothing'} where ${whole[place] ?? 'nothing'} belongs`,
  );
}

/** Holds what a conversation lists as pinned against its entries. */
export async function checkPins(world: World, { conversation, entries, since }: Truth): Promise<void> {
  if (since > 0 || entries.length === 0) return;
  let pinned: readonly number[] = [];
  for (const { type, body } of entries) {
    const control = type === 'control' ? (JSON.parse(String(body)) as ControlBody) : null;
    if (control?.control !== 'pinned' && control?.control !== 'unpinned' && control?.control !== 'recalled') continue;
    const { seq } = control;
    pinned = [...pinned.filter((each) => each !== seq), ...(control.control === 'pinned' ? [seq] : [])];
  }
  const info = await world.ask((chat) => chat.info(conversation));
  if (!info.ok) {
    world.history.violated(`(liveness) what ${conversation} is: ${info.error.message}`);
    return;
  }
  const told = (info.value.pinned ?? []).map(({ seq }) => seq);
  if (told.join() !== pinned.join()) {
    world.history.violated(`${conversation} has pinned ${told.join()}, and by its entries ${pinned.join()}`);
  }
}

/** Holds the pages of the busiest threads against their entries: what the user sees of them, in both directions (I7). */
export async function checkThreadPages(world: World, device: SimulatedDevice, truth: Truth): Promise<void> {
  const { user } = device.by;
  const { conversation } = truth;
  if (!truth.members.includes(user)) return;
  const threads = new Map<number, number>();
  for (const { thread } of truth.entries) if (thread !== undefined) threads.set(thread, (threads.get(thread) ?? 0) + 1);
  const busiest = [...threads].sort(([, one], [, other]) => other - one).slice(0, 3);
  for (const [first] of busiest) {
    const expected = truth.repliesTo(first).filter(({ seq }) => truth.maySee(user, seq));
    for (const direction of ['forward', 'backward'] as const) {
      const read: string[] = [];
      for (let from: SequenceId | undefined; ;) {
        const start = from === undefined ? {} : { from };
        const seq = sequenceId(first);
        const limit = world.between(1, 5);
        const page = await world.ask((chat) =>
          chat.thread(device.by, { conversation, seq, direction, limit, ...start }),
        );
        if (!page.ok) {
          world.history.violated(`(liveness) a thread of ${conversation} for ${user}: ${page.error.message}`);
          return;
        }
        read.push(...page.value.messages.map(name));
        const last = page.value.messages.at(-1)?.seq ?? 0;
        if (!page.value.hasMore || last === 0) break;
        from = sequenceId(direction === 'forward' ? last + 1 : last - 1);
      }
      const whole = expected.map(name);
      if (direction === 'backward') whole.reverse();
      if (read.join() !== whole.join()) {
        const got = `${read.join(' ')} instead of ${whole.join(' ')}`;
        world.history.violated(`(I7) the thread of ${conversation} ${String(first)} for ${user} is ${got}`);
      }
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
    const { msgNo, readMsgNo, own, gone = 0 } = summary;
    if (summary.unread !== Math.max(0, msgNo - readMsgNo - own - gone)) {
      world.history.violated(`${where}: the inputs do not explain ${String(summary.unread)} unread`);
    }
    const unread = truth.unread(user, summary.readSeq);
    if (summary.unread !== unread) {
      world.history.violated(`${where} has ${String(summary.unread)} unread, and a recount finds ${String(unread)}`);
    }
  }
}
