import { setTimeout as sleep } from 'node:timers/promises';
import { memoryStorage, MillraceError, type ClientStorage, type MillraceClient } from '@millrace/client';
import type { ConversationId, UserId } from '@millrace/kernel';
import { callRedis } from '@millrace/local-redis';
import { defaultMessagingLimits } from '@millrace/messaging';
import type { Message } from '@millrace/protocol';
import type { RawSession } from '@millrace/raw-client';
import { openLarge } from '../../apps/cli/src/open-large.ts';
import { until } from '../faults/until.ts';
import { GroupDevice } from './group-device.ts';
import type { GroupStage } from './group-stage.ts';
import { inTurns } from './in-turns.ts';
import { SeqRuns, textOf } from './seq-runs.ts';
import { staysOf, toldBy, unreadAt, visibleRuns, type Entry } from './stays.ts';
import { asked, connectedAs, historyOf, Visitor } from './visitor.ts';

export interface GrowShape {
  /** At the peak. */
  readonly members: number;
  /** The first of them: devices over the SDK that write all the time. */
  readonly senders: number;
  /** Devices over the SDK that stay connected; every second one has the group open. */
  readonly online: number;
  /** Devices that come and go all the time; the rest of the members are away until the end. */
  readonly flapping: number;
  /** Of all senders together. */
  readonly messagesPerSecond: number;
  /** That are stored between one change of the membership and the next. */
  readonly messagesPerChange: number;
}

export interface GrowResult {
  readonly entries: number;
  readonly acked: number;
  readonly switches: readonly string[];
  readonly membershipChanges: number;
  /** Devices of members that were looked at while nobody wrote and the group was pulled. */
  readonly rested: { readonly open: number; readonly closed: number };
  /** Devices whose messages were held against what their user is to have. */
  readonly devices: number;
  readonly messages: number;
  readonly summaries: number;
  readonly seconds: Readonly<Record<string, number>>;
  /** Empty when everything is right. */
  readonly wrong: readonly string[];
}

const CONVERSATION = 'crowd' as ConversationId;
const CHUNK = 200;
/** Near the bounds at which the group goes over, it changes by fewer. */
const SMALL_CHUNK = 30;
const SMALL_BELOW = 400;
const AT_ONCE = 50;
const FLAPS_AT_ONCE = 8;
const SDK_FLAPPERS = 8;
const COMPLETE_MS_MAX = 120_000;
const CHANGE_MS_MAX = 120_000;
/** The last entry before a silence may be lost on its way: within 30 s a device is told so. With room for a busy machine. */
const REST_MS_MAX = 60_000;
/** Until nothing is left of the load that a large group was. */
const QUIET_MS_MAX = 180_000;
/** What a sender is told that is no member at the moment. */
const OUTSIDE = ['not_member', 'not_found'];
/** Of every so many visitors the list is looked at. */
const SUMMARY_EVERY = 10;

/** Above so many members a group is pulled, however quiet it is. */
const READ_ABOVE = defaultMessagingLimits.readAbove;

/** Whether that device, of those that stay connected, has the group open. */
const isOpenOn = (index: number): boolean => index % 2 === 1;
const member = (index: number): UserId => `member-${String(index).padStart(5, '0')}` as UserId;
const members = (from: number, to: number): UserId[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, index) => member(from + index));

/** One of those that come and go, over the SDK: its storage outlives it. */
interface SdkFlapper {
  readonly user: UserId;
  readonly storage: ClientStorage;
  /** By seq: what was told and not stored before it went may come again. */
  readonly heard: Set<number>;
  readonly wrong: string[];
}

/** A group that grows from 2 to many and shrinks to 2 again while its members write, come and go. */
export class Grow {
  readonly #stage: GroupStage;
  readonly #shape: GrowShape;
  readonly #say: (text: string) => void;
  readonly #seconds: Record<string, number> = {};
  readonly #wrong: string[] = [];
  readonly #acked: { readonly seq: number; readonly text: string }[] = [];
  readonly #devices: GroupDevice[] = [];
  readonly #flappers: Visitor[];
  readonly #sdkFlappers: SdkFlapper[];
  readonly #away: Visitor[];
  #isOver = false;
  /** Nobody begins to write. */
  #isResting = false;
  /** Messages that are on their way. */
  #sending = 0;
  #changes = 0;
  /** Devices that were looked at while nobody wrote: that have the group open, and that have not. */
  readonly #rested = { open: 0, closed: 0 };

  constructor(stage: GroupStage, shape: GrowShape, say: (text: string) => void) {
    this.#stage = stage;
    this.#shape = shape;
    this.#say = say;
    const { senders, online, flapping } = shape;
    const first = senders + online;
    const visitor = (user: UserId): Visitor => new Visitor(stage, user, CONVERSATION);
    const sdk = Math.min(SDK_FLAPPERS, flapping);
    this.#sdkFlappers = members(first, first + sdk).map((user) => {
      return { user, storage: memoryStorage(), heard: new Set(), wrong: [] };
    });
    this.#flappers = members(first + sdk, first + flapping).map(visitor);
    this.#away = members(first + flapping, shape.members).map(visitor);
  }

  async run(): Promise<GrowResult> {
    try {
      return await this.#run();
    } finally {
      this.#isOver = true;
      await Promise.all(this.#devices.map(({ client }) => client.close()));
    }
  }

  async #run(): Promise<GrowResult> {
    const { senders, online } = this.#shape;
    await this.#timed('set up', async () => {
      const users = members(0, senders + online);
      const connected = await inTurns(users, AT_ONCE, (user) => GroupDevice.connect(this.#stage, user, CONVERSATION));
      this.#devices.push(...connected);
      for (const { client, got } of connected.filter((_, index) => isOpenOn(index))) {
        openLarge(
          client,
          () => true,
          (_, why) => got.wrong.push(`cannot open it: ${why}`),
        );
      }
      // A device that has never been there gets no messages by sync: every third of those who are away is one, and pages.
      const known = [...this.#flappers, ...this.#away.filter((_, index) => index % 3 > 0)];
      await inTurns(known, AT_ONCE, (each) => each.visit());
    });
    const operator = await connectedAs(this.#stage, member(0), 'operator');
    await asked(operator, {
      t: 'create',
      kind: 'group',
      conversation: CONVERSATION,
      members: [member(1)],
      joinPolicy: 'open',
      historyPolicy: 'join',
    });
    const noise = Promise.all([...this.#write(), ...this.#flap()]);
    // What goes wrong there is told at the end.
    noise.catch(() => undefined);
    await this.#timed('grow', () => this.#grow(operator));
    await this.#timed('come and go', () => this.#shuffle(operator));
    await this.#timed('rest at the peak', () => this.#rest(operator));
    await this.#timed('shrink', () => this.#shrink(operator));
    await this.#timed('rest', () => this.#rest(operator));
    await this.#timed('quiet down', () => this.#quietDown());
    this.#isOver = true;
    await noise;
    const entries = await this.#timed('read', async () => await historyOf(operator, CONVERSATION));
    operator.close();
    return this.#check(entries);
  }

  // ---------------------------------------------------------------------------------- what goes on all the time

  #write(): Promise<void>[] {
    const { senders, messagesPerSecond } = this.#shape;
    const everyMs = (1_000 * senders) / messagesPerSecond;
    return this.#devices.slice(0, senders).map(async ({ client, user }, at) => {
      await sleep((everyMs * at) / senders);
      for (let number = 1; !this.#isOver; number += 1) {
        if (!this.#isResting) await this.#send(client, user, `${user} ${String(number)}`);
        await sleep(everyMs);
      }
    });
  }

  async #send(client: MillraceClient, user: UserId, text: string): Promise<void> {
    this.#sending += 1;
    try {
      const { seq } = await client.send(CONVERSATION, text);
      this.#acked.push({ seq, text });
    } catch (error) {
      const code = error instanceof MillraceError ? error.code : String(error);
      if (!OUTSIDE.includes(code)) this.#wrong.push(`${user} was refused: ${code}`);
    } finally {
      this.#sending -= 1;
    }
  }

  #flap(): Promise<void>[] {
    const waiting = [...this.#flappers];
    const visitors = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined && !this.#isOver; one = waiting.shift()) {
        // Small pages, so that most visits take several.
        await one.visit(20);
        waiting.push(one);
        await sleep(20);
      }
    };
    const overSdk = this.#sdkFlappers.map(async (one, index) => {
      while (!this.#isOver) {
        await this.#visitOverSdk(one, () => sleep(100 + 50 * index));
        await sleep(100 + 70 * index);
      }
    });
    const atOnce = Math.min(FLAPS_AT_ONCE, this.#flappers.length);
    return [...Array.from({ length: atOnce }, (_, worker) => this.#startLater(worker, visitors)), ...overSdk];
  }

  async #startLater(worker: number, work: () => Promise<void>): Promise<void> {
    await sleep(worker * 10);
    await work();
  }

  async #visitOverSdk({ user, storage, heard, wrong }: SdkFlapper, stay: () => Promise<unknown>): Promise<void> {
    const onMessage = ({ seq }: Message): void => {
      heard.add(seq);
    };
    const device = await GroupDevice.connect(this.#stage, user, CONVERSATION, { storage, onMessage });
    await stay();
    await device.client.close();
    wrong.push(...device.got.wrong);
  }

  // ------------------------------------------------------------------------------------------- the membership

  async #grow(operator: RawSession): Promise<void> {
    for (let from = 2; from < this.#shape.members;) {
      const to = Math.min(this.#shape.members, from + (from < SMALL_BELOW ? SMALL_CHUNK : CHUNK));
      await this.#amidWriting(() =>
        asked(operator, { t: 'invite', conversation: CONVERSATION, users: members(from, to) }),
      );
      from = to;
      if (from % 1_000 < CHUNK) this.#say(`${String(from)} members, ${String(this.#acked.length)} messages`);
    }
  }

  /** At the peak some are thrown out, and half of them come back; some go and come by themselves. */
  async #shuffle(operator: RawSession): Promise<void> {
    const { senders, online, members: count } = this.#shape;
    const out = members(senders, count).filter((_, index) => index % 20 === 3 || (index < online && index % 3 === 0));
    const back = out.filter((_, index) => index % 2 === 0);
    for (let from = 0; from < out.length; from += CHUNK) {
      const users = out.slice(from, from + CHUNK);
      await this.#amidWriting(() => asked(operator, { t: 'kick', conversation: CONVERSATION, users }));
    }
    const movers = this.#devices.slice(senders).filter((_, index) => index % 3 === 1);
    await this.#amidWriting(() => inTurns(movers, AT_ONCE, ({ client }) => client.leave(CONVERSATION)));
    for (let from = 0; from < back.length; from += CHUNK) {
      const users = back.slice(from, from + CHUNK);
      await this.#amidWriting(() => asked(operator, { t: 'invite', conversation: CONVERSATION, users }));
    }
    await this.#amidWriting(() => inTurns(movers, AT_ONCE, ({ client }) => client.join(CONVERSATION)));
    await this.#amidWriting(() => Promise.resolve());
  }

  async #shrink(operator: RawSession): Promise<void> {
    for (let to = this.#shape.members; to > 2;) {
      const from = Math.max(2, to - (to <= SMALL_BELOW ? SMALL_CHUNK : CHUNK));
      await this.#amidWriting(() =>
        asked(operator, { t: 'kick', conversation: CONVERSATION, users: members(from, to) }),
      );
      to = from;
      if (to % 1_000 < CHUNK) this.#say(`${String(to)} members, ${String(this.#acked.length)} messages`);
    }
  }

  /**
   * Nobody writes. A device that has the group open gets the last entry nevertheless, whichever that was; while the group is
   * pulled, one that has not gets none, but knows where it stands, and lacks nothing up to where it is.
   */
  async #rest(operator: RawSession): Promise<void> {
    this.#isResting = true;
    await until('what is written is answered', () => this.#sending === 0, CHANGE_MS_MAX);
    const entries = await historyOf(operator, CONVERSATION);
    const stays = staysOf(entries);
    const msgNo = entries.filter(({ countable }) => countable).length;
    const isPulled = entries.flatMap((entry) => toldBy(entry)?.mode ?? []).at(-1) === 'read';
    const lacking = (): string[] =>
      this.#devices.flatMap(({ user, client, got }, index) => {
        const theirs = stays.get(user) ?? [];
        const isClosed = isPulled && theirs.at(-1)?.to === null && !isOpenOn(index);
        const expected = textOf(visibleRuns(theirs, isClosed ? got.last : entries.length));
        if (got.text !== expected) return [`${user}, ${isClosed ? 'closed' : 'open'}, has ${got.text} of ${expected}`];
        const known = client.conversationList().find(({ conversation }) => conversation === CONVERSATION)?.msgNo ?? 0;
        if (!isClosed || known === msgNo) return [];
        return [`${user}, closed, knows of ${String(known)} messages of ${String(msgNo)}`];
      });
    await until('devices know', () => lacking().length === 0, REST_MS_MAX).catch(() => undefined);
    this.#wrong.push(...lacking().map((text) => `while nobody wrote: ${text}`));
    for (const [index, { user }] of this.#devices.entries()) {
      if (isPulled && stays.get(user)?.at(-1)?.to === null) this.#rested[isOpenOn(index) ? 'open' : 'closed'] += 1;
    }
    this.#isResting = false;
  }

  /** Two members that write now and then: the group is no load any more, and is put into inboxes again. */
  async #quietDown(): Promise<void> {
    const isWritten = (): boolean =>
      this.#devices[0]?.client.conversationList().find(({ conversation }) => conversation === CONVERSATION)
        ?.diffusion === 'write';
    await until('the group is in write mode again', isWritten, QUIET_MS_MAX);
  }

  /** A change, and then so many messages that are stored, by whoever is a member. */
  async #amidWriting(change: () => Promise<unknown>): Promise<void> {
    await change();
    this.#changes += 1;
    const goal = this.#acked.length + this.#shape.messagesPerChange;
    await until('messages are stored behind a change', () => this.#acked.length >= goal, CHANGE_MS_MAX);
  }

  async #timed<Outcome>(what: string, work: () => Promise<Outcome>): Promise<Outcome> {
    const beganMs = performance.now();
    const outcome = await work();
    this.#seconds[what] = (performance.now() - beganMs) / 1_000;
    this.#say(`${what}: ${(this.#seconds[what] ?? 0).toFixed(1)} s`);
    return outcome;
  }

  // ------------------------------------------------------------------------------------------------ the check

  async #check(entries: readonly (Entry & { readonly gen: number })[]): Promise<GrowResult> {
    const stays = staysOf(entries);
    const expected = (user: UserId): string => textOf(visibleRuns(stays.get(user) ?? [], entries.length));
    let messages = 0;
    const judge = (what: string, user: UserId, got: SeqRuns): void => {
      messages += got.count;
      if (got.text !== expected(user)) this.#wrong.push(`${user}, ${what}, has ${got.text} of ${expected(user)}`);
      this.#wrong.push(...got.wrong.map((text) => `${user}, ${what}: ${text}`));
    };
    await this.#checkStored(entries);
    await this.#timed('devices online', async () => {
      const isComplete = ({ user, got }: GroupDevice): boolean => got.text === expected(user);
      await until('devices have everything', () => this.#devices.every(isComplete), COMPLETE_MS_MAX).catch(
        () => undefined,
      );
      for (const { user, got } of this.#devices) judge('online', user, got);
    });
    await this.#timed('devices that came and went', async () => {
      await inTurns(this.#flappers, AT_ONCE, (each) => each.visit());
      for (const { user, got } of this.#flappers) judge('flapping', user, got);
      for (const one of this.#sdkFlappers) await this.#checkOverSdk(one, expected(one.user));
    });
    await this.#timed('devices that were away', async () => {
      await inTurns(this.#away, AT_ONCE, (each, index) => (index % 3 > 0 ? each.visit() : each.page()));
      for (const [index, { user, got }] of this.#away.entries()) judge(index % 3 > 0 ? 'away' : 'new', user, got);
    });
    const looked = [...this.#flappers, ...this.#away].filter((_, index) => index % SUMMARY_EVERY === 0);
    await this.#timed('summaries', () => inTurns(looked, AT_ONCE, (each) => this.#checkSummary(each, entries, stays)));
    return {
      entries: entries.length,
      acked: this.#acked.length,
      rested: this.#rested,
      switches: entries.flatMap((entry) => {
        const told = toldBy(entry);
        return told?.control === 'diffusion' ? [`${String(told.mode)} at ${String(entry.seq)}`] : [];
      }),
      membershipChanges: this.#changes,
      devices: this.#devices.length + this.#flappers.length + this.#sdkFlappers.length + this.#away.length,
      messages,
      summaries: looked.length,
      seconds: this.#seconds,
      wrong: this.#wrong,
    };
  }

  /** What the owner reads is what Redis holds, and holds every message that was acknowledged, once. */
  async #checkStored(entries: readonly (Entry & { readonly gen: number })[]): Promise<void> {
    const ids = await storedIds(this.#stage, CONVERSATION);
    const read = entries.map(({ gen, seq }) => `${String(gen)}-${String(seq)}`);
    if (ids.join() !== read.join()) this.#wrong.push('what is read is not what Redis holds');
    if (entries.some(({ seq }, index) => seq !== index + 1)) this.#wrong.push('the Timeline has gaps');
    for (const { seq, text } of this.#acked) {
      if (entries[seq - 1]?.body !== text) this.#wrong.push(`"${text}", acknowledged at ${String(seq)}, is not there`);
    }
    const countable = entries.filter((entry) => entry.countable).length;
    if (countable !== this.#acked.length) {
      this.#wrong.push(`${String(countable)} messages are stored, ${String(this.#acked.length)} were acknowledged`);
    }
    const modes = entries.flatMap((entry) => toldBy(entry)?.mode ?? []);
    const isInTurn = modes.every((mode, index) => mode === (index % 2 === 0 ? 'read' : 'write'));
    if (!isInTurn || modes.at(-1) !== 'write') this.#wrong.push(`the group went over to ${modes.join()}`);
    const stays = [...staysOf(entries).values()].flat();
    for (const { seq } of entries.filter((entry) => toldBy(entry)?.mode === 'write')) {
      const count = stays.filter(({ from, to }) => from <= seq && (to === null || to > seq)).length;
      if (count > READ_ABOVE) this.#wrong.push(`with ${String(count)} members the group was put into inboxes again`);
    }
  }

  async #checkOverSdk(one: SdkFlapper, expected: string): Promise<void> {
    const isComplete = (): boolean => runsOf(one.heard) === expected;
    await this.#visitOverSdk(one, () => until(one.user, isComplete, COMPLETE_MS_MAX).catch(() => undefined));
    if (!isComplete()) this.#wrong.push(`${one.user}, over the SDK, has ${runsOf(one.heard)} of ${expected}`);
    this.#wrong.push(...one.wrong.map((text) => `${one.user}, over the SDK: ${text}`));
  }

  async #checkSummary(visitor: Visitor, entries: readonly Entry[], stays: ReturnType<typeof staysOf>): Promise<void> {
    const theirs = stays.get(visitor.user) ?? [];
    const last = theirs.at(-1);
    const summary = await visitor.summary();
    // Reading begins with the entry of the last join.
    const { others } = unreadAt(visitor.user, theirs, entries, last?.from ?? 0);
    const expected = { unread: others, seq: last?.to ?? entries.length, member: last?.to === null };
    const got = { unread: summary?.unread, seq: summary?.seq, member: summary?.member };
    if (JSON.stringify(got) !== JSON.stringify(expected)) {
      this.#wrong.push(`the list of ${visitor.user} says ${JSON.stringify(got)}, and not ${JSON.stringify(expected)}`);
    }
  }
}

function runsOf(seqs: ReadonlySet<number>): string {
  const runs = new SeqRuns();
  for (const seq of [...seqs].sort((left, right) => left - right)) runs.add({ gen: 1, seq });
  return runs.text;
}

/** The ids of a conversation's Timeline as Redis has them, first to last. */
export async function storedIds({ redis }: GroupStage, conversation: ConversationId): Promise<readonly string[]> {
  const call = async (...args: (string | number)[]): Promise<unknown> => {
    const reply = await callRedis(redis.endpoint, args);
    if (!reply.ok) throw new Error(`${String(args[0])}: ${reply.error.message}`);
    return reply.value;
  };
  const [key] = (await call('KEYS', `*:t:c:${conversation}`)) as readonly string[];
  if (key === undefined) throw new Error(`Redis has no Timeline of ${conversation}`);
  const entries = (await call('XRANGE', key, '-', '+')) as readonly (readonly [string, unknown])[];
  return entries.map(([id]) => id);
}
