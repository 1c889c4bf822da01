import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadableEngines } from '../support/engines.ts';
import { startMillrace, type MillraceProcess } from '../support/millrace-process.ts';
import { until } from '../support/until.ts';
import type { IndependentDevice } from './device.ts';
import type { Message } from './frames.ts';
import { Harness, numbers, refusal, serverNumbers, view } from './harness.ts';

const combinations = loadableEngines.flatMap((engine) =>
  (['json', 'bin'] as const).map((encoding) => ({ engine, encoding })),
);
const bodies = (messages: readonly Message[]): unknown[] =>
  messages.filter(({ type }) => type !== 'control').map((message) => ('body' in message ? message.body : undefined));
const controls = (messages: readonly Message[]): unknown[] =>
  messages.flatMap((message) =>
    message.type === 'control' && 'body' in message ? [JSON.parse(message.body) as unknown] : [],
  );
const seqs = (messages: readonly Message[]): number[] => messages.map(({ seq }) => seq);
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe.each(combinations)('a client written from docs/protocol.md alone, $engine, $encoding', (combination) => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const harness = new Harness(() => millrace.socketUrl, combination.encoding);
  let run = 0;
  /** Names of this test alone. */
  const name = (base: string): string => `${base}-${String(run)}`;

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, { MILLRACE_SOCKET_ENGINE: combination.engine });
  });
  beforeEach(() => {
    run += 1;
  });
  afterEach(() => harness.end());
  afterAll(async () => {
    expect(await millrace.stop()).toBe(0);
  });

  const settled = async (devices: readonly IndependentDevice[], conversation: string, last: number): Promise<void> => {
    // The ack of a message of its own may come before the pushes of what stands before it.
    const isWhole = (messages: readonly { readonly seq: number }[]): boolean =>
      messages.at(-1)?.seq === last && messages.length === last - (messages[0]?.seq ?? 0) + 1;
    await until('every device is quiet and has everything up to the last message', () =>
      devices.every((device) => device.quiet && isWhole(device.store.messages(conversation))),
    );
  };

  it('three users hold a conversation: acks, pushes, receipts, unread, membership and pages agree (I1)', async () => {
    const [ann, bob, cat] = [name('ann'), name('bob'), name('cat')];
    const [annsPhone, bobsPhone, catsPhone] = [
      await harness.device(ann),
      await harness.device(bob),
      await harness.device(cat),
    ];
    const annsLaptop = await harness.device(ann, { device: 'laptop' });
    const all = [annsPhone, annsLaptop, bobsPhone];
    const tea = name('tea');
    const asked = { kind: 'group', conversation: tea, title: 'Tea', members: [bob] };
    const created = await annsPhone.request('create', asked);
    expect(created).toMatchObject({ conversation: tea, gen: 1, seq: 1, fresh: true });
    expect(await annsPhone.request('create', asked)).toMatchObject({ conversation: tea, seq: 1, fresh: false });
    await settled(all, tea, 1);
    const entry = { control: 'created', kind: 'group', title: 'Tea', members: [ann, bob] };
    expect(controls(bobsPhone.store.messages(tea))).toEqual([entry]);

    for (let index = 1; index <= 10; index += 1) {
      annsPhone.send(tea, `ann ${index} 👋 \u0000 "quoted" \uFEFF`);
      bobsPhone.send(tea, `bob ${index}`);
    }
    await settled(all, tea, 21);
    for (const device of all) {
      expect(seqs(device.store.messages(tea))).toEqual(upTo(21));
      expect(device.store.repeats).toEqual([]);
      expect(view(device, tea)).toEqual(view(annsPhone, tea));
    }
    expect(annsPhone.acks.map(({ n, level, duplicate }) => [n, level, duplicate])).toEqual(
      upTo(10).map((n) => [n, 'memory', false]),
    );
    const own = annsLaptop.store.messages(tea).filter(({ deviceTag }) => deviceTag === annsPhone.tag);
    expect(own.map(({ n, from, countable }) => [n, from, countable])).toEqual(upTo(10).map((n) => [n, ann, true]));

    // Reading on one device clears the unread of the other, and tells the other member.
    for (const device of [annsPhone, annsLaptop]) {
      expect(numbers(device, tea)).toEqual({ msgNo: 20, readSeq: 1, readMsgNo: 0, own: 10, unread: 10 });
    }
    expect(await annsPhone.read(tea, 21)).toMatchObject({ readSeq: 21, readMsgNo: 20, own: 0, unread: 0, msgNo: 20 });
    expect(await annsPhone.read(tea, 5)).toMatchObject({ readSeq: 21 });
    const clear = { msgNo: 20, readSeq: 21, readMsgNo: 20, own: 0, unread: 0 };
    await until('the laptop knows what was read', () => numbers(annsLaptop, tea) !== undefined);
    await until('the laptop has nothing unread', () => {
      return annsLaptop.store.conversation(tea).summary?.unread === 0;
    });
    expect(numbers(annsLaptop, tea)).toEqual(clear);
    expect(await serverNumbers(annsPhone, tea)).toEqual(clear);
    expect(numbers(bobsPhone, tea)).toEqual(await serverNumbers(bobsPhone, tea));
    const receipt = { t: 'receipt', conversation: tea, user: ann, readSeq: 21, deliveredSeq: 21 };
    await until('bob has the receipt', () =>
      bobsPhone.unasked.some((frame) => JSON.stringify(frame) === JSON.stringify(receipt)),
    );
    await bobsPhone.request('delivered', { conversation: tea, seq: 20 });
    await until('ann knows that it was delivered', () =>
      annsPhone.unasked.some((frame) => frame.t === 'receipt' && frame.user === bob && frame.deliveredSeq === 20),
    );
    annsPhone.connection.send({ t: 'typing', conversation: tea });
    await until('bob sees ann typing', () => bobsPhone.unasked.some(({ t }) => t === 'typing'));
    expect(bobsPhone.unasked.find(({ t }) => t === 'typing')).toEqual({ t: 'typing', conversation: tea, user: ann });

    // Membership: who comes sees what was, who goes keeps it and gets no more.
    expect(await refusal(catsPhone, 'join', { conversation: tea })).toMatchObject({ code: 'forbidden' });
    expect(await annsPhone.request('invite', { conversation: tea, users: [cat] })).toMatchObject({ seq: 22 });
    expect(await annsPhone.request('invite', { conversation: tea, users: [cat] })).toMatchObject({ seq: 22 });
    await settled([...all, catsPhone], tea, 22);
    expect(seqs(await catsPhone.history(tea, 'forward', 7))).toEqual(upTo(22));
    const backward = await catsPhone.history(tea, 'backward', 4);
    expect(seqs(backward)).toEqual(upTo(22).reverse());
    expect([...backward].reverse()).toEqual(await catsPhone.history(tea, 'forward', 1_000));
    const [first, second] = [
      await catsPhone.request('members', { conversation: tea, limit: 2 }),
      await catsPhone.request('members', { conversation: tea, limit: 2, after: bob }),
    ];
    expect([first.count, first.next, second.next]).toEqual([3, bob, null]);
    expect([...first.members, ...second.members]).toEqual([
      { user: ann, role: 'owner', readSeq: 21, deliveredSeq: 21 },
      { user: bob, role: 'member', readSeq: 1, deliveredSeq: 20 },
      { user: cat, role: 'member', readSeq: 22, deliveredSeq: 22 },
    ]);
    expect(await bobsPhone.request('leave', { conversation: tea })).toMatchObject({ seq: 23 });
    expect(await refusal(catsPhone, 'kick', { conversation: tea, users: [ann] })).toMatchObject({ code: 'forbidden' });
    expect(await annsPhone.request('role', { conversation: tea, user: cat, role: 'admin' })).toMatchObject({ seq: 24 });
    catsPhone.send(tea, 'bob is gone');
    await settled([annsPhone, annsLaptop, catsPhone], tea, 25);
    expect(seqs(bobsPhone.store.messages(tea))).toEqual(upTo(23));
    expect(seqs(await bobsPhone.history(tea, 'backward', 50))).toEqual(upTo(23).reverse());
    expect(await refusal(bobsPhone, 'members', { conversation: tea })).toMatchObject({ code: 'not_member' });
    expect(await annsPhone.request('kick', { conversation: tea, users: [cat] })).toMatchObject({ seq: 26 });
    await settled([annsPhone, annsLaptop, catsPhone], tea, 26);
    expect(controls(annsPhone.store.messages(tea))).toEqual([
      entry,
      { control: 'joined', users: [cat] },
      { control: 'left', users: [bob] },
      { control: 'role', user: cat, role: 'admin' },
      { control: 'kicked', users: [cat] },
    ]);
    catsPhone.send(tea, 'may I?');
    await until('cat is refused', () => catsPhone.refusals.length > 0);
    expect(catsPhone.refusals).toMatchObject([{ code: 'not_member', retry: 'never' }]);
    const list = await catsPhone.request('conversations');
    expect(list.conversations).toMatchObject([{ conversation: tea, member: false, seq: 26, peer: null }]);
  });

  it('the conversation list comes by pages, the latest active first, direct ones by their two users', async () => {
    const [ann, bob] = [name('ann'), name('bob')];
    const annsPhone = await harness.device(ann);
    const bobsPhone = await harness.device(bob);
    const direct = `${ann}!${bob}`;
    const created = await bobsPhone.request('create', { kind: 'direct', members: [ann] });
    expect(created).toMatchObject({ conversation: direct, fresh: true });
    const again = await annsPhone.request('create', { kind: 'direct', members: [bob] });
    expect(again).toMatchObject({ conversation: direct, fresh: false });
    const rooms = ['one', 'two', 'three'].map(name);
    for (const conversation of rooms) {
      await annsPhone.request('create', { kind: 'group', conversation, members: [], joinPolicy: 'open' });
      await bobsPhone.request('join', { conversation });
    }
    const channel = await annsPhone.request('create', { kind: 'channel', title: 'News', members: [bob] });
    expect(await refusal(bobsPhone, 'send', sendOf(channel.conversation, 1))).toMatchObject({ code: 'forbidden' });
    annsPhone.send(direct, 'last');
    await settled([annsPhone, bobsPhone], direct, 2);

    const found: string[] = [];
    let after: string | null = null;
    do {
      const page: {
        readonly conversations: readonly { readonly conversation: string }[];
        readonly next: string | null;
      } = await bobsPhone.request('conversations', { limit: 2, ...(after === null ? {} : { after }) });
      expect(page.conversations.length).toBeLessThanOrEqual(2);
      found.push(...page.conversations.map(({ conversation }) => conversation));
      after = page.next;
    } while (after !== null);
    expect(found).toEqual([direct, channel.conversation, ...[...rooms].reverse()]);
    const [summary] = (await bobsPhone.request('conversations', { limit: 1 })).conversations;
    expect(summary).toMatchObject({ kind: 'direct', peer: ann, member: true, seq: 2, msgNo: 1, unread: 1 });
  });

  it('a device that was away through a kill -9 of the server pages what it missed, once and in order (I1, I4)', async () => {
    const [ann, bob] = [name('ann'), name('bob')];
    const tea = name('tea');
    const annsPhone = await harness.device(ann);
    let bobsPhone = await harness.device(bob);
    await annsPhone.request('create', { kind: 'group', conversation: tea, members: [bob] });
    annsPhone.send(tea, '1');
    await settled([annsPhone, bobsPhone], tea, 2);
    await bobsPhone.stop();
    const { store } = bobsPhone;

    for (let index = 2; index <= 60; index += 1) annsPhone.send(tea, String(index));
    await until('some are acked, and some perhaps not', () => annsPhone.acks.length > 20);
    await millrace.restart();
    for (let index = 61; index <= 120; index += 1) annsPhone.send(tea, String(index));
    await settled([annsPhone], tea, 121);
    expect(annsPhone.closes.length).toBeGreaterThan(0);

    bobsPhone = await harness.device(bob, { store, syncLimit: 25 });
    await settled([bobsPhone], tea, 121);
    expect(bobsPhone.syncs.map(({ tooLong, regressed }) => tooLong || regressed)).not.toContain(true);
    expect(bobsPhone.syncs.length).toBeGreaterThanOrEqual(5);
    for (const { conversations } of bobsPhone.syncs) {
      expect(conversations.reduce((sum, { messages }) => sum + messages.length, 0)).toBeLessThanOrEqual(25);
    }
    expect(store.repeats).toEqual([]);
    expect(seqs(store.messages(tea))).toEqual(upTo(121));
    expect(bodies(store.messages(tea))).toEqual(upTo(120).map(String));
    expect(view(bobsPhone, tea)).toEqual(view(annsPhone, tea));
    expect(bodies(await bobsPhone.history(tea, 'forward', 50))).toEqual(upTo(120).map(String));
    expect(numbers(bobsPhone, tea)).toEqual(await serverNumbers(bobsPhone, tea));
    expect(numbers(annsPhone, tea)).toEqual(await serverNumbers(annsPhone, tea));
  });

  it('a gap after a dropped connection is seen and filled, and so is a push that was lost (I5)', async () => {
    const [ann, bob] = [name('ann'), name('bob')];
    const tea = name('tea');
    const [annsPhone, bobsPhone] = [await harness.device(ann), await harness.device(bob)];
    await annsPhone.request('create', { kind: 'group', conversation: tea, members: [bob] });
    await settled([annsPhone, bobsPhone], tea, 1);
    const synced = bobsPhone.syncs.length;
    bobsPhone.connection.drop();
    for (const body of ['a', 'b', 'c']) annsPhone.send(tea, body);
    await settled([annsPhone, bobsPhone], tea, 4);
    expect(bobsPhone.closes).toEqual([1006]);
    expect(bobsPhone.syncs.length).toBeGreaterThan(synced);
    expect(bobsPhone.store.repeats).toEqual([]);

    // As if the push of "d" had never come.
    annsPhone.send(tea, 'd');
    await settled([annsPhone, bobsPhone], tea, 5);
    const { store } = bobsPhone;
    expect(bobsPhone.syncs.length).toBe(synced + 1);
    store.conversation(tea).messages.delete('1:5');
    store.position = { gen: 1, seq: (store.position?.seq ?? 0) - 1 };
    annsPhone.send(tea, 'e');
    await settled([annsPhone, bobsPhone], tea, 6);
    expect(bobsPhone.syncs.length).toBe(synced + 2);
    expect(bodies(store.messages(tea))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(numbers(bobsPhone, tea)).toEqual(await serverNumbers(bobsPhone, tea));
  });

  it('a retry of the same n gets the first seq, on any connection and after a restart (I4)', async () => {
    const ann = name('ann');
    const tea = name('tea');
    const one = await harness.session(ann);
    await one.request('create', { kind: 'group', conversation: tea, members: [] });
    const first = await one.request('send', sendOf(tea, 1));
    expect(first).toMatchObject({
      conversation: tea,
      n: 1,
      gen: 1,
      seq: 2,
      msgNo: 1,
      level: 'memory',
      duplicate: false,
    });
    const again = { ...first, id: 0, msgNo: 0, at: 0, duplicate: true };
    expect({ ...(await one.request('send', sendOf(tea, 1))), id: 0 }).toEqual(again);
    expect(await refusal(one, 'send', sendOf(tea, 3))).toMatchObject({
      ...{ code: 'out_of_order', retry: 'in_order', expected: 2 },
    });
    const two = await harness.session(ann);
    expect(await one.closed).toBe(4303);
    expect({ ...(await two.request('send', sendOf(tea, 1))), id: 0 }).toEqual(again);
    await millrace.restart();
    const three = await harness.session(ann);
    expect({ ...(await three.request('send', sendOf(tea, 1))), id: 0 }).toEqual(again);
    for (let n = 2; n <= 64; n += 1) await three.request('send', sendOf(tea, n));
    expect(await three.request('send', sendOf(tea, 1))).toMatchObject({ seq: 2, duplicate: true });
    expect(await three.request('send', sendOf(tea, 65))).toMatchObject({ seq: 66, duplicate: false });
    expect(await refusal(three, 'send', sendOf(tea, 1))).toMatchObject({ code: 'expired', retry: 'never' });
    const other = await harness.session(ann, 'other');
    expect(await other.request('send', sendOf(tea, 1))).toMatchObject({ n: 1, seq: 67, duplicate: false });
  });

  it('those behind a refused message keep their counters, and the order holds', async () => {
    const ann = name('ann');
    const tea = name('tea');
    const phone = await harness.device(ann);
    await phone.request('create', { kind: 'group', conversation: tea, members: [] });
    phone.send(tea, 'one');
    phone.send(tea, 'x'.repeat(32_769));
    phone.send(tea, 'two');
    phone.send(tea, 'three');
    await settled([phone], tea, 4);
    expect(phone.refusals).toMatchObject([{ code: 'too_large', retry: 'never' }]);
    expect(
      phone.store
        .messages(tea)
        .slice(1)
        .map((message) => [message.n, 'body' in message && message.body]),
    ).toEqual([
      ...[
        [1, 'one'],
        [3, 'two'],
        [4, 'three'],
      ],
    ]);
    // Its number is gone for good.
    expect(await refusal(phone.connection, 'send', sendOf(tea, 2))).toMatchObject({ code: 'expired', retry: 'never' });
    // And so is that of one with nothing behind it, once there is something.
    phone.send(tea, 'x'.repeat(32_769));
    await expect.poll(() => phone.refusals.length).toBe(2);
    phone.send(tea, 'four');
    await settled([phone], tea, 5);
    expect(phone.store.messages(tea).at(-1)).toMatchObject({ n: 6, body: 'four' });
  });

  it('a drain lets answers finish, and the device goes on after the restart (I1)', async () => {
    const [ann, bob] = [name('ann'), name('bob')];
    const tea = name('tea');
    const [annsPhone, bobsPhone] = [await harness.device(ann), await harness.device(bob)];
    await annsPhone.request('create', { kind: 'group', conversation: tea, members: [bob] });
    for (let index = 1; index <= 30; index += 1) annsPhone.send(tea, String(index));
    await millrace.kill('SIGTERM');
    for (let index = 31; index <= 60; index += 1) annsPhone.send(tea, String(index));
    await millrace.restart();
    await settled([annsPhone, bobsPhone], tea, 61);
    for (const device of [annsPhone, bobsPhone]) {
      expect(device.unasked.filter(({ t }) => t === 'drain')).toMatchObject([
        { deadlineMs: expect.any(Number) as number },
      ]);
      expect(bodies(device.store.messages(tea))).toEqual(upTo(60).map(String));
      // Its own come back by the sync: the pushes that would have moved its position past them were cut off.
      expect(device.store.repeats.filter(({ deviceTag }) => deviceTag !== device.tag)).toEqual([]);
    }
  });
});

function sendOf(conversation: string, n: number): object {
  return { conversation, n, sentAt: n, type: 'text', body: `message ${n}` };
}
