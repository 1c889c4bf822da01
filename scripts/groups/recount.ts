import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import type { ConversationSummary, Receipts } from '@millrace/protocol';
import { until } from '../faults/until.ts';
import { GroupDevice } from './group-device.ts';
import type { GroupStage } from './group-stage.ts';
import { inTurns } from './in-turns.ts';
import { staysOf, visibleRuns, type Stay } from './stays.ts';
import { storedTimeline, type StoredEntry } from './stored-timeline.ts';
import { asked, connectedAs, Visitor } from './visitor.ts';

export interface RecountShape {
  readonly members: number;
  /** Users with devices that stay connected: one, every third two, and every ninth a third that comes only at the end. */
  readonly online: number;
  readonly writers: number;
  readonly rounds: number;
  readonly messagesPerRound: number;
  readonly seed: number;
}

export interface RecountResult {
  readonly entries: number;
  readonly messages: number;
  readonly sockets: number;
  readonly positionsMoved: number;
  /** Messages that were recalled, and deleted by somebody for themselves. */
  readonly messagesGone: number;
  /** Devices, and lists that the server gave, whose unread count and its inputs were counted again. */
  readonly unreadChecked: number;
  readonly receiptsChecked: number;
  readonly listsChecked: number;
  readonly seconds: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

type Inputs = Pick<ConversationSummary, 'msgNo' | 'readSeq' | 'readMsgNo' | 'own' | 'gone' | 'unread'>;

const CONVERSATION = 'counted' as ConversationId;
const CHUNK = 200;
const AT_ONCE = 50;
const SETTLE_MS_MAX = 60_000;
/** They are told at most once a second. */
const TOLD_MS_MAX = 10_000;
const TOLD_TRIES = 3;
const PAGE = 1_000;
const member = (index: number): UserId => `reader-${String(index).padStart(5, '0')}` as UserId;

/** Unread counts and receipts of a large group, held against a count of the stored entries one by one. */
export class Recount {
  readonly #stage: GroupStage;
  readonly #shape: RecountShape;
  readonly #say: (text: string) => void;
  readonly #seconds: Record<string, number> = {};
  readonly #wrong: string[] = [];
  /** By user; the first of each has the group open. */
  readonly #devices = new Map<UserId, GroupDevice[]>();
  /** The furthest that each was acknowledged to have read, and to have. */
  readonly #read = new Map<UserId, number>();
  readonly #delivered = new Map<UserId, number>();
  /** What each was acknowledged to have deleted for themselves. */
  readonly #deleted = new Map<UserId, Set<number>>();
  #changed = 0;
  readonly #told = new Map<UserId, Omit<Receipts, 't'>>();
  #random: number;
  #moved = 0;

  constructor(stage: GroupStage, shape: RecountShape, say: (text: string) => void) {
    this.#stage = stage;
    this.#shape = shape;
    this.#say = say;
    this.#random = shape.seed;
  }

  async run(): Promise<RecountResult> {
    try {
      return await this.#run();
    } finally {
      await Promise.all([...this.#devices.values()].flat().map(({ client }) => client.close()));
    }
  }

  async #run(): Promise<RecountResult> {
    await this.#timed('set up', () => this.#setUp());
    await this.#timed('write and read', () => this.#writeAndRead());
    // A device that is new gets where everything stands, and no messages.
    await this.#timed('third devices', async () => {
      const users = [...this.#devices.keys()].filter((_, index) => index % 9 === 0);
      await inTurns(users, AT_ONCE, (user) => this.#connect(user));
    });
    return this.#check(await storedTimeline(this.#stage, CONVERSATION));
  }

  async #setUp(): Promise<void> {
    const { members, online } = this.#shape;
    const users = Array.from({ length: online }, (_, index) => member(index));
    const wanted = users.flatMap((user, index) => (index % 3 === 0 ? [user, user] : [user]));
    await inTurns(wanted, AT_ONCE, (user) => this.#connect(user));
    // The last twentieth comes only after the first half of the messages.
    const first = Array.from({ length: members - Math.floor(members / 20) - 1 }, (_, index) => member(index + 1));
    await this.#first(member(0)).client.create({
      kind: 'group',
      conversation: CONVERSATION,
      members: first,
      joinPolicy: 'open',
      historyPolicy: 'join',
    });
    const isKnown = ({ client }: GroupDevice): boolean => summaryOf(client.conversationList())?.diffusion === 'read';
    await until('all devices know the group', () => this.#all().every(isKnown), SETTLE_MS_MAX);
    await inTurns(users, AT_ONCE, (user) => this.#first(user).client.openConversation(CONVERSATION));
    this.#say(`${String(members)} members, ${String(this.#all().length)} devices`);
  }

  async #writeAndRead(): Promise<void> {
    const { rounds, messagesPerRound, writers, online, members } = this.#shape;
    for (let round = 0; round < rounds; round += 1) {
      const sent = await Promise.all(
        Array.from({ length: messagesPerRound }, async (_, index) => {
          const user = member((round * messagesPerRound + index) % writers);
          const { client } = this.#any(user);
          return (await client.send(CONVERSATION, `round ${String(round)}, ${String(index)}`)).seq;
        }),
      );
      const head = Math.max(...sent);
      const readers = Array.from({ length: online }, (_, index) => member(index)).filter(() => this.#below(3) === 0);
      await inTurns(readers, AT_ONCE, (user) => this.#move(user, head));
      const visitors = Array.from({ length: Math.ceil(members / 200) }, () =>
        member(online + this.#below(members - online)),
      );
      await inTurns([...new Set(visitors)], AT_ONCE, (user) => this.#moveAway(user, head));
      await this.#takeBack(sent);
      if (round === Math.floor(rounds / 2)) await this.#comeAndGo();
      this.#say(`${String(head)} entries, ${String(this.#moved)} positions moved`);
    }
  }

  /** The owner recalls one message, and some delete one for themselves: of the latest, which most have not read. */
  async #takeBack(sent: readonly SequenceId[]): Promise<void> {
    const { online } = this.#shape;
    const one = (): SequenceId | undefined => sent[this.#below(sent.length)];
    const recalled = one();
    const done = (): void => {
      this.#changed += 1;
    };
    // One that was recalled already is refused.
    if (recalled !== undefined)
      await this.#first(member(0))
        .client.recall(CONVERSATION, recalled)
        .then(done, () => undefined);
    const users = Array.from({ length: online }, (_, index) => member(index)).filter(() => this.#below(10) === 0);
    await inTurns(users, AT_ONCE, async (user, index) => {
      // One of them that which was just recalled.
      const seq = index === 0 ? recalled : one();
      if (seq === undefined) return;
      // Who was thrown out, or has come only behind it, is refused.
      await this.#any(user)
        .client.delete(CONVERSATION, seq)
        .then(
          () => {
            this.#deleted.set(user, (this.#deleted.get(user) ?? new Set()).add(seq));
            done();
          },
          () => undefined,
        );
    });
  }

  /** Some are thrown out and let in again, and the last twentieth comes in. */
  async #comeAndGo(): Promise<void> {
    const { members } = this.#shape;
    const { client } = this.#first(member(0));
    const late = Math.floor(members / 20);
    await client.inviteAll(
      CONVERSATION,
      Array.from({ length: late }, (_, index) => member(members - late + index)),
    );
    const out = Array.from({ length: members }, (_, index) => member(index)).filter((_, index) => index % 30 === 7);
    for (let at = 0; at < out.length; at += CHUNK) await client.kick(CONVERSATION, out.slice(at, at + CHUNK));
    await client.send(CONVERSATION, 'for those who are in');
    await client.inviteAll(
      CONVERSATION,
      out.filter((_, index) => index % 2 === 0),
    );
  }

  /** One of the user's devices reads up to somewhere, or tells only that it has it. */
  async #move(user: UserId, head: number): Promise<void> {
    const seq = head - this.#below(Math.min(20, head));
    const { client } = this.#any(user);
    const isDelivery = this.#below(4) === 0;
    const done = isDelivery ? client.delivered(CONVERSATION, seq as never) : client.read(CONVERSATION, seq as never);
    await done.then(
      () => {
        this.#note(isDelivery ? this.#delivered : this.#read, user, seq);
      },
      // Who was thrown out, or has come only behind it, is refused.
      () => undefined,
    );
  }

  /** One who is away comes for a moment. */
  async #moveAway(user: UserId, head: number): Promise<void> {
    const session = await connectedAs(this.#stage, user, 'visitor');
    const answer = await session.request({ t: 'read', conversation: CONVERSATION, seq: head as never });
    if (answer.ok) this.#note(this.#read, user, head);
    session.close();
  }

  #note(positions: Map<UserId, number>, user: UserId, seq: number): void {
    positions.set(user, Math.max(positions.get(user) ?? 0, seq));
    this.#moved += 1;
  }

  async #connect(user: UserId): Promise<void> {
    const device = await GroupDevice.connect(this.#stage, user, CONVERSATION);
    device.client.on('receipts', (receipts) => {
      if (receipts.conversation === CONVERSATION) this.#told.set(user, receipts);
    });
    this.#devices.set(user, [...(this.#devices.get(user) ?? []), device]);
  }

  #all(): readonly GroupDevice[] {
    return [...this.#devices.values()].flat();
  }

  #first(user: UserId): GroupDevice {
    const device = this.#devices.get(user)?.[0];
    if (device === undefined) throw new Error(`${user} has no device`);
    return device;
  }

  #any(user: UserId): GroupDevice {
    const devices = this.#devices.get(user) ?? [];
    return devices[this.#below(devices.length)] ?? this.#first(user);
  }

  /** A number from 0 to below `bound`; the same ones with the same seed, for what is done one after the other. */
  #below(bound: number): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * bound);
  }

  async #timed(what: string, work: () => Promise<unknown>): Promise<void> {
    const beganMs = performance.now();
    await work();
    this.#seconds[what] = (performance.now() - beganMs) / 1_000;
    this.#say(`${what}: ${(this.#seconds[what] ?? 0).toFixed(1)} s`);
  }

  // ------------------------------------------------------------------------------------------------ the check

  async #check(entries: readonly StoredEntry[]): Promise<RecountResult> {
    const stays = staysOf(entries);
    const inputs = new Map([...stays].map(([user, theirs]) => [user, this.#inputsOf(user as UserId, theirs, entries)]));
    let unreadChecked = 0;
    const judge = (what: string, user: UserId, got: Inputs | undefined): void => {
      unreadChecked += 1;
      const [says, is] = [textOf(got), textOf(inputs.get(user))];
      if (says !== is) this.#wrong.push(`${what} of ${user} says ${says}, and is ${is}`);
    };
    const local = ({ client }: GroupDevice): ConversationSummary | undefined => summaryOf(client.conversationList());
    await this.#timed('closed devices', async () => {
      // One that has the group not open knows where it stands, and of what its user's others wrote not before it has it.
      const own = (user: UserId, after: number, upTo: number): number =>
        entries.slice(after, upTo).filter((entry) => entry.countable && entry.from === user).length;
      const is = (device: GroupDevice): string => {
        const [whole, seq] = [inputs.get(device.user), local(device)?.seq ?? 0];
        if (whole === undefined) return 'nothing';
        const here = own(device.user, whole.readSeq, seq);
        // Nor what was recalled, but by an entry that it has, or when it was told so as its user read.
        const stayed = stays.get(device.user) ?? [];
        const { gone: least = 0 } = this.#inputsOf(device.user, stayed, entries, seq);
        const gone = Math.min(Math.max(least, local(device)?.gone ?? 0), whole.gone ?? 0);
        const unread = whole.unread + whole.own - here + (whole.gone ?? 0) - gone;
        return textOf({ ...whole, own: here, gone, unread });
      };
      const closed = [...this.#devices.values()].flatMap((devices) => devices.slice(1));
      const isRight = (device: GroupDevice): boolean => textOf(local(device)) === is(device);
      await until('devices are told', () => closed.every(isRight), SETTLE_MS_MAX).catch(() => undefined);
      for (const device of closed) {
        unreadChecked += 1;
        if (isRight(device)) continue;
        this.#wrong.push(`a closed device of ${device.user} says ${textOf(local(device))}, and is ${is(device)}`);
      }
      await inTurns(closed, AT_ONCE, ({ client }) => client.openConversation(CONVERSATION).catch(() => undefined));
    });
    await this.#timed('devices', async () => {
      const isRight = (device: GroupDevice): boolean => textOf(local(device)) === textOf(inputs.get(device.user));
      await until('devices have it', () => this.#all().every(isRight), SETTLE_MS_MAX).catch(() => undefined);
      for (const device of this.#all()) judge('a device', device.user, local(device));
    });
    await this.#timed('lists', async () => {
      await inTurns(this.#all(), AT_ONCE, async ({ user, client }) => {
        judge('the list', user, summaryOf((await client.conversations()).conversations));
      });
      const { online, members } = this.#shape;
      const away = Array.from({ length: members - online }, (_, index) => member(online + index));
      const some = away.filter((_, index) => index % 10 === 0);
      await inTurns(some, AT_ONCE, async (user) => {
        judge('the list', user, await new Visitor(this.#stage, user, CONVERSATION).summary());
      });
    });
    let [receiptsChecked, listsChecked] = [0, 0];
    await this.#timed('receipts', async () => {
      const { client } = this.#first(member(0));
      const asking = await connectedAs(this.#stage, member(0), 'operator');
      const texts = entries.filter(({ countable }) => countable);
      for (const [index, entry] of texts.entries()) {
        const is = this.#readersOf(entry, stays);
        const { recipients, delivered, read } = await client.readers(CONVERSATION, entry.seq);
        receiptsChecked += 1;
        const [says, counted] = [
          `${String(read)} and ${String(delivered)} of ${String(recipients)}`,
          `${String(is.read.length)} and ${String(is.delivered)} of ${String(is.recipients)}`,
        ];
        if (says !== counted)
          this.#wrong.push(`${String(entry.seq)} is read and held by ${says}, and is by ${counted}`);
        if (index % 25 > 0) continue;
        const listed: string[] = [];
        for (let after: UserId | null | undefined; after !== null;) {
          const more = after === undefined ? {} : { after };
          const query = {
            t: 'readers',
            conversation: CONVERSATION,
            seq: entry.seq,
            list: 'read',
            limit: PAGE,
          } as const;
          const page = await asked(asking, { ...query, ...more });
          listed.push(...page.users.map(({ user }) => user));
          after = page.next;
        }
        listsChecked += 1;
        if (listed.join() !== is.read.join())
          this.#wrong.push(`${String(entry.seq)}: the list of who has read it is another`);
      }
      asking.close();
      await this.#checkTold(texts, stays);
    });
    const { length: messages } = entries.filter(({ countable }) => countable);
    const counts = { unreadChecked, receiptsChecked, listsChecked };
    const sockets = this.#all().length;
    const moved = { positionsMoved: this.#moved, messagesGone: this.#changed };
    const told = { seconds: this.#seconds, wrong: this.#wrong };
    return { entries: entries.length, messages, sockets, ...counts, ...moved, ...told };
  }

  /**
   * What the author of the latest message is told last is what it came to. One telling may be missing, as the protocol says;
   * then that of the next who reads has it all.
   */
  async #checkTold(texts: readonly StoredEntry[], stays: ReadonlyMap<string, readonly Stay[]>): Promise<void> {
    const last = texts.at(-1);
    if (last === undefined) return;
    const told = (): number | undefined =>
      this.#told.get(last.from as UserId)?.readers.find(({ seq }) => seq === last.seq)?.read;
    for (let tries = 1; ; tries += 1) {
      const { read } = this.#readersOf(last, stays);
      await until('the author is told', () => told() === read.length, TOLD_MS_MAX).catch(() => undefined);
      if (told() === read.length) return;
      const isUnread = (user: UserId): boolean =>
        user !== last.from &&
        !read.includes(user) &&
        stays.get(user)?.some(({ from, to }) => from <= last.seq && to === null) === true;
      const next = [...this.#devices.keys()].find(isUnread);
      if (tries === TOLD_TRIES || next === undefined) {
        const [seq, says, is] = [last.seq, told(), read.length].map(String);
        this.#wrong.push(`the author of ${seq ?? ''} was told ${says ?? ''}, and it is ${is ?? ''}`);
        return;
      }
      await this.#any(next).client.read(CONVERSATION, last.seq);
      this.#note(this.#read, next, last.seq);
    }
  }

  /** Where reading stands: what was acknowledged, or the entry of the last join, which counts as read. */
  #position(user: UserId, stays: readonly Stay[]): number {
    return Math.max(seenUpTo(this.#read.get(user) ?? 0, stays), stays.at(-1)?.from ?? 0);
  }

  /** @param heardTo - what was recalled behind it does not count as such yet. */
  #inputsOf(user: UserId, stays: readonly Stay[], entries: readonly StoredEntry[], heardTo = Infinity): Inputs {
    const readSeq = this.#position(user, stays);
    let [msgNo, readMsgNo, own, gone, unread] = [0, 0, 0, 0, 0];
    const recalled = new Set<number>();
    for (const [from, to] of visibleRuns(stays, entries.length)) {
      for (const entry of entries.slice(from - 1, Math.min(to, heardTo))) {
        const seq = recalledBy(entry);
        if (seq !== null) recalled.add(seq);
      }
    }
    const last = stays.at(-1)?.to ?? entries.length;
    for (const { seq, countable } of entries) {
      if (countable && seq <= last) msgNo += 1;
      if (countable && seq <= readSeq) readMsgNo += 1;
    }
    for (const [from, to] of visibleRuns(stays, entries.length)) {
      for (const entry of entries.slice(Math.max(from - 1, readSeq), to)) {
        if (!entry.countable) continue;
        if (entry.from === user) own += 1;
        else if (recalled.has(entry.seq) || this.#deleted.get(user)?.has(entry.seq) === true) gone += 1;
        else unread += 1;
      }
    }
    if (unread !== msgNo - readMsgNo - own - gone)
      this.#wrong.push(`${user}: the inputs do not explain ${String(unread)} unread`);
    return { msgNo, readSeq: readSeq as Inputs['readSeq'], readMsgNo, own, gone, unread };
  }

  #readersOf({ seq, from }: StoredEntry, stays: ReadonlyMap<string, readonly Stay[]>) {
    const read: string[] = [];
    let [recipients, delivered] = [0, 0];
    for (const [user, theirs] of stays) {
      const isRecipient = theirs.some((stay) => stay.from <= seq && (stay.to === null || stay.to >= seq));
      if (user === from || !isRecipient) continue;
      recipients += 1;
      const position = this.#position(user as UserId, theirs);
      if (position >= seq) read.push(user);
      // What is read has been had.
      const had = seenUpTo(this.#delivered.get(user as UserId) ?? 0, theirs);
      if (Math.max(position, had) >= seq) delivered += 1;
    }
    return { recipients, delivered, read: read.sort() };
  }
}

/** Who says to have read up to `seq` while they are out has read what they could see. */
const seenUpTo = (seq: number, stays: readonly Stay[]): number =>
  Math.max(0, ...stays.filter(({ from }) => from <= seq).map(({ to }) => Math.min(seq, to ?? seq)));

/** The message that the entry takes back; null for an entry that takes back none. */
function recalledBy({ type, body }: StoredEntry): number | null {
  if (type !== 'control') return null;
  const control = JSON.parse(String(body)) as { readonly control: string; readonly seq?: number };
  return control.control === 'recalled' ? (control.seq ?? null) : null;
}

const summaryOf = (list: readonly ConversationSummary[]): ConversationSummary | undefined =>
  list.find(({ conversation }) => conversation === CONVERSATION);

const textOf = (inputs: Inputs | undefined): string =>
  inputs === undefined
    ? 'nothing'
    : `${String(inputs.unread)} unread (${[inputs.msgNo, inputs.readMsgNo, inputs.own, inputs.gone ?? 0].join(' - ')}, read up to ${String(inputs.readSeq)})`;
