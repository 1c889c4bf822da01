import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Live } from '@millrace/protocol';
import type { RawSession } from '@millrace/raw-client';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { LossyWire } from './support/lossy-wire.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
const USERS = ['ann', 'ben', 'cleo', 'dora', 'eve', 'finn'] as UserId[];
const town = 'town' as ConversationId;

/** What a session was sent of live entries, and the last position that it was told of. */
class Watcher {
  readonly lives: Live[] = [];
  known = 0;

  async open(socketUrl: string, user: string): Promise<RawSession> {
    const session = await connectAs(socketUrl, user, 'watcher', (frame) => {
      if (frame.t === 'live') this.lives.push(frame);
      if (frame.t === 'live') this.known = Math.max(this.known, frame.seq);
      if (frame.t === 'heads') this.known = Math.max(this.known, ...frame.heads.map(({ seq }) => seq));
    });
    const opened = await session.request({ t: 'open', conversation: town });
    if (!opened.ok) throw new Error(JSON.stringify(opened.error));
    // It follows on the answer, or comes as soon as the node watches the conversation.
    await until('the watcher is told where the conversation stands', () => this.known > 0);
    return session;
  }

  get seqs(): readonly number[] {
    return this.lives.flatMap(({ messages }) => messages.map(({ seq }) => Number(seq)));
  }
}

describe('conversations in read mode, over two nodes', () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  const devices: Device[] = [];
  const sessions: RawSession[] = [];

  beforeEach(async () => {
    await redis.flush();
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_READ_ABOVE: '4',
      MILLRACE_WRITE_BELOW: '3',
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_LEASE_MS: '2000',
    });
    await cluster.add();
    await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.close();
    await Promise.all(devices.splice(0).map(({ client }) => client.close()));
    await cluster.stop();
  });

  const urlOf = (at: number): string => cluster.nodes[at]?.socketUrl ?? '';

  async function connectAll(): Promise<readonly Device[]> {
    const all = await Promise.all(USERS.map((user, index) => device(urlOf(index % 2), user)));
    devices.push(...all);
    return all;
  }

  async function created(conversations: readonly ConversationId[]): Promise<RawSession> {
    const owner = await connectAs(urlOf(0), 'ann', 'owner');
    sessions.push(owner);
    for (const conversation of conversations) {
      const answer = await owner.request({ t: 'create', kind: 'group', conversation, members: USERS.slice(1) });
      if (!answer.ok) throw new Error(JSON.stringify(answer.error));
    }
    return owner;
  }

  const seqsOf = ({ heard }: Device, conversation = town): readonly number[] =>
    (heard.get(conversation) ?? []).map(({ seq }) => Number(seq));
  const upTo = (seq: number): readonly number[] => Array.from({ length: seq }, (_, index) => index + 1);

  it('come to every device that shows them, on every node, once and in order, and not behind a leave (I1, I7)', async () => {
    const all = await connectAll();
    const owner = await created([town]);
    await until('everybody knows the town', () => all.every((one) => seqsOf(one).length >= 2));
    await Promise.all(all.map(({ client }) => client.openConversation(town)));
    const [here, there] = [new Watcher(), new Watcher()];
    const cleo = await there.open(urlOf(1), 'cleo');
    sessions.push(cleo, await here.open(urlOf(0), 'ben'));

    const sent = all
      .slice(0, 3)
      .flatMap(({ client }) => Array.from({ length: 30 }, (_, index) => client.send(town, `message ${String(index)}`)));
    const last = Math.max(...(await Promise.all(sent)).map(({ seq }) => Number(seq)));
    await until('the watchers have it', () => here.known >= last && there.known >= last, 5_000);
    for (const { seqs } of [here, there]) {
      expect(seqs).toEqual(upTo(last).slice(-seqs.length));
      expect(seqs.length).toBeGreaterThan(80);
    }
    await until('every device has all of it', () => all.every((one) => seqsOf(one).at(-1) === last), 5_000);
    for (const one of all) expect(seqsOf(one)).toEqual(upTo(last));

    const kicked = await owner.request({ t: 'kick', conversation: town, users: ['cleo' as UserId] });
    if (!kicked.ok) throw new Error(JSON.stringify(kicked.error));
    const { seq: left } = kicked.value;
    const after = await all[0]?.client.send(town, 'not for cleo');
    await until('ben has what came behind it', () => here.known >= Number(after?.seq), 5_000);
    expect(there.known).toBe(Number(left));
    const again = await cleo.request({ t: 'open', conversation: town });
    expect(again).toMatchObject({ ok: false, error: { error: { code: 'not_member' } } });
  }, 90_000);

  it('go on for a device whose user is thrown out and let in again, and the last entry, lost on its way, is found by the digest', async () => {
    const wire = new LossyWire();
    const ben = await device(urlOf(1), 'ben', { webSocket: wire.webSocket });
    const finn = await device(urlOf(0), 'finn');
    devices.push(ben, finn);
    const owner = await created([town]);
    await until('ben knows the town', () => seqsOf(ben).length >= 2);
    await ben.client.openConversation(town);
    const done = async (frame: Parameters<RawSession['request']>[0]): Promise<void> => {
      const answer = await owner.request(frame);
      if (!answer.ok) throw new Error(JSON.stringify(answer.error));
    };
    await done({ t: 'kick', conversation: town, users: ['ben' as UserId] });
    const { seq: unseen } = await finn.client.send(town, 'not for ben');
    await done({ t: 'invite', conversation: town, users: ['ben' as UserId] });
    await until('ben is back', () => seqsOf(ben).at(-1) === unseen + 1);
    // The client opens it again by itself.
    const livesBefore = wire.count('live');
    const has = async (body: string, msMax: number): Promise<void> => {
      const { seq } = await finn.client.send(town, body);
      await until(`ben has "${body}"`, () => seqsOf(ben).at(-1) === seq, msMax);
    };
    for (let time = 0; wire.count('live') === livesBefore; time += 1) await has(`again ${String(time)}`, 5_000);
    expect(seqsOf(ben)).toEqual(upTo(Number(seqsOf(ben).at(-1))).filter((seq) => seq !== unseen));

    // What the return owes to the device is told by then: from here on only the digest is left.
    await sleep(2_000);
    wire.losesLive = true;
    const { seq: last } = await finn.client.send(town, 'the last before a silence');
    await until('it is lost on its way', () => wire.lost > 0);
    wire.losesLive = false;
    const [lives, heads, pushes] = [wire.count('live'), wire.count('heads'), wire.count('push')];
    expect(seqsOf(ben).at(-1)).not.toBe(last);
    await until('ben has it all the same', () => seqsOf(ben).at(-1) === last, 45_000);
    expect([wire.count('live'), wire.count('heads'), wire.count('push')]).toEqual([lives, heads + 1, pushes]);
  }, 90_000);

  it('go on where partitions move to another node, and where a node is killed (I3)', async () => {
    const rooms = Array.from({ length: 8 }, (_, index) => `room-${String(index)}` as ConversationId);
    const all = await connectAll();
    await created(rooms);
    await until('everybody knows the rooms', () => all.every(({ heard }) => rooms.every((room) => heard.has(room))));
    await Promise.all(all.flatMap(({ client }) => rooms.map((room) => client.openConversation(room))));
    const [ann, ben] = all;
    const last = new Map<ConversationId, number>();
    const talk = async (times: number): Promise<void> => {
      for (let time = 0; time < times; time += 1) {
        for (const [index, room] of rooms.entries()) {
          const sender = index % 2 === 0 ? ann : ben;
          const receipt = await sender?.client.send(room, `${String(time)} in ${room}`);
          last.set(room, Number(receipt?.seq));
        }
      }
    };
    const untilComplete = (what: string): Promise<void> =>
      until(what, () => rooms.every((room) => all.every((one) => seqsOf(one, room).at(-1) === last.get(room))), 8_000);
    await talk(5);
    await untilComplete('all is told before anything moves');
    await cluster.add();
    await talk(5);
    await cluster.untilSpread(PARTITIONS);
    await talk(5);
    await untilComplete('all is told by the new owners');
    const [, , third] = cluster.nodes;
    if (third === undefined) throw new Error('there are three');
    cluster.forget(third);
    await third.kill('SIGKILL');
    await talk(5);
    await untilComplete('all is told by the heirs of the one that was killed');
    for (const room of rooms) {
      for (const one of all) expect(seqsOf(one, room)).toEqual(upTo(last.get(room) ?? 0));
    }
  }, 120_000);
});
