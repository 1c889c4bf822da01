import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { LossyWire } from './support/lossy-wire.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const PARTITIONS = 8;
const MEMBERS = ['ann', 'ben', 'cleo', 'dora', 'eve', 'finn'] as UserId[];

/** A device of one user, with what came over its socket and what it was told beside messages. */
interface Watched extends Device {
  readonly wire: LossyWire;
  readonly hints: number[];
}

/** Over the real protocol, by the SDK, on two nodes: whatever is said is said on one of them and heard on both. */
describe.each([
  ['write', MEMBERS.slice(0, 3)],
  ['read', MEMBERS],
] as const)('mentions in %s mode, over two nodes', (mode, members) => {
  const redis = testRedis();
  const talk = `talk-${mode}` as ConversationId;
  const open: Device[] = [];
  let cluster: MillraceCluster;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_READ_ABOVE: '4',
      MILLRACE_WRITE_BELOW: '3',
      MILLRACE_PARTITIONS: String(PARTITIONS),
    });
    await cluster.add();
    await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
  });
  afterAll(async () => {
    await cluster.stop();
  });

  const watched = async (node: number, user: string): Promise<Watched> => {
    const wire = new LossyWire();
    const one = await device(cluster.nodes[node]?.socketUrl ?? '', user, { webSocket: wire.webSocket });
    open.push(one);
    const hints: number[] = [];
    one.client.on('hint', ({ hint }) => hints.push(hint.seq));
    return { ...one, wire, hints };
  };
  const summaryOf = ({ client }: Device) => client.conversationList().find(({ conversation }) => conversation === talk);
  const mentionsOf = (one: Device): readonly number[] => summaryOf(one)?.mentions ?? [];
  const listed = async ({ client }: Device): Promise<readonly number[]> =>
    (await client.conversations()).conversations.find(({ conversation }) => conversation === talk)?.mentions ?? [];
  const bodies = ({ heard }: Device): readonly unknown[] =>
    (heard.get(talk) ?? []).filter(({ countable }) => countable).map(({ body }) => body);
  const pushed = ({ wire }: Watched) => wire.frames.flatMap((frame) => (frame.t === 'push' ? frame.items : []));

  it('come at once to every device of those they are for, are counted alike, and end with the reading', async () => {
    const owner = await connectAs(cluster.nodes[0]?.socketUrl ?? '', 'ann', 'owner');
    const made = await owner.request({ t: 'create', kind: 'group', conversation: talk, members: members.slice(1) });
    owner.close();
    if (!made.ok) throw new Error(JSON.stringify(made.error));

    const ann = await watched(0, 'ann');
    const [phone, tablet] = [await watched(0, 'ben'), await watched(1, 'ben')];
    const cleo = await watched(1, 'cleo');
    const all = [ann, phone, tablet, cleo];
    await until('all know how it is diffused', () => all.every((one) => summaryOf(one)?.diffusion === mode), 10_000);
    const syncs = (): readonly number[] => all.map(({ wire }) => wire.count('synced'));
    // What the coming of devices leads to is over: from here on nothing syncs.
    await until(
      'nothing is under way',
      async () => {
        const before = syncs().join();
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        return before === syncs().join() && all.every(({ client }) => client.state === 'live');
      },
      20_000,
    );
    const before = syncs();

    const { seq: named } = await ann.client.send(talk, 'ben, look', { mentions: ['ben' as UserId] });
    for (const one of [phone, tablet]) {
      await until('ben is told', () => mentionsOf(one).join() === String(named), 5_000);
    }
    const { seq: forAll } = await ann.client.send(talk, 'everybody, look', { mentionAll: true });
    const both = [Number(named), Number(forAll)];
    for (const one of [phone, tablet]) {
      await until('ben is told of what is for all', () => mentionsOf(one).join() === both.join(), 5_000);
    }
    await until('cleo is told of what is for all', () => mentionsOf(cleo).join() === String(forAll), 5_000);
    expect(mentionsOf(ann)).toEqual([]);
    // Nobody had to ask for that; and in read mode, where no device shows it, without a body.
    expect(syncs()).toEqual(before);
    if (mode === 'write') {
      for (const one of [phone, tablet, cleo]) {
        await until('the messages are there', () => bodies(one).length === 2);
        expect([bodies(one), one.hints]).toEqual([['ben, look', 'everybody, look'], []]);
      }
    } else {
      for (const one of [phone, tablet]) {
        expect([bodies(one), one.hints]).toEqual([[], both]);
        const hints = pushed(one).filter((item) => 'hint' in item);
        expect(hints).toEqual([{ conversation: talk, hint: { gen: 1, seq: named, why: 'mention' } }]);
        expect(one.wire.count('live')).toBe(0);
      }
      expect([bodies(cleo), cleo.hints]).toEqual([[], [Number(forAll)]]);
    }
    for (const one of [phone, tablet]) expect(await listed(one)).toEqual(both);
    expect([await listed(cleo), await listed(ann)]).toEqual([[Number(forAll)], []]);

    // Read on one device, up to between the two, and then all of it: the other one follows.
    await tablet.client.read(talk, named);
    for (const one of [phone, tablet]) {
      await until('the first is read', () => mentionsOf(one).join() === String(forAll), 5_000);
    }
    await phone.client.read(talk, forAll);
    for (const one of [phone, tablet]) await until('all is read', () => mentionsOf(one).length === 0, 5_000);
    expect(await listed(phone)).toEqual([]);
    expect(mentionsOf(cleo)).toEqual([Number(forAll)]);

    // A device that comes later is told what is unread, and only that.
    const { seq: last } = await ann.client.send(talk, 'once more', { mentions: ['ben' as UserId] });
    const laptop = await watched(1, 'ben');
    await until('the new device knows', () => mentionsOf(laptop).join() === String(last), 10_000);
    const page = await laptop.client.history(talk, { from: last, limit: 1 });
    expect(page.messages).toMatchObject([{ body: 'once more', mentions: ['ben'] }]);
  }, 120_000);

  it('are refused of who is no member, and of all to who may not', async () => {
    const [ann, cleo] = [await watched(0, 'ann'), await watched(1, 'cleo')];
    await expect(ann.client.send(talk, 'zoe?', { mentions: ['zoe' as UserId] })).rejects.toMatchObject({
      code: 'not_mentionable',
    });
    await expect(cleo.client.send(talk, 'all!', { mentionAll: true })).rejects.toMatchObject({ code: 'forbidden' });
    await ann.client.changeSettings(talk, { mentionAllBy: 'members' });
    await expect(cleo.client.send(talk, 'all!', { mentionAll: true })).resolves.toMatchObject({ duplicate: false });
  }, 60_000);
});
