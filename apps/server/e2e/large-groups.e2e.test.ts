import { memoryStorage } from '@millrace/client';
import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { ControlBody, ConversationSummary, Message } from '@millrace/protocol';
import type { RawSession } from '@millrace/raw-client';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { Puller } from './support/puller.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { monitorRedis } from './support/redis-monitor.ts';
import { until } from './support/until.ts';

const MEMBERS = 300;
const SENDERS = 10;
/** Members that come or go by one frame. */
const WAVE = 25;
const name = (index: number): UserId => `member${String(index)}` as UserId;
const controlOf = ({ type, body }: Message): ControlBody | null =>
  type === 'control' ? (JSON.parse(String(body)) as ControlBody) : null;

/** What a user is to get of a conversation, by its own entries: those of their stays. */
function expectedOf(user: UserId, entries: readonly Message[]): readonly Message[] {
  let isIn = false;
  return entries.filter((entry) => {
    const control = controlOf(entry);
    const named = control !== null && 'users' in control ? control.users : null;
    const wasIn = isIn;
    if (control?.control === 'created') isIn = control.members.includes(user);
    else if (control?.control === 'joined' && named?.includes(user) === true) isIn = true;
    else if (named?.includes(user) === true) isIn = false;
    return wasIn || isIn;
  });
}

/** The unread count, counted again: reading began with the last entry by which they came. */
function unreadOf(user: UserId, entries: readonly Message[]): number {
  const theirs = expectedOf(user, entries);
  const joined = theirs.findLastIndex((entry) => {
    const control = controlOf(entry);
    if (control?.control === 'created') return control.members.includes(user);
    return control?.control === 'joined' && control.users.includes(user);
  });
  return theirs.slice(joined + 1).filter(({ countable, from }) => countable && from !== user).length;
}

const seqsOf = (messages: readonly Message[]): readonly number[] => messages.map(({ seq }) => seq);

/** What is refused, since the sender is no member any more, is not said. @returns whether it was. */
async function says({ client }: Device, conversation: ConversationId, body: string): Promise<boolean> {
  try {
    await client.send(conversation, body);
    return true;
  } catch {
    return false;
  }
}

async function done(session: RawSession, frame: Parameters<RawSession['request']>[0]): Promise<void> {
  const answer = await session.request(frame);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
}

describe('groups of many members, over two nodes', () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  const socketUrl = (): string => cluster.nextSocketUrl();

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_READ_ABOVE: '40',
      MILLRACE_WRITE_BELOW: '20',
      MILLRACE_PARTITIONS: '16',
    });
    await cluster.add();
    await cluster.add();
    await cluster.untilSpread(16);
  });
  afterAll(() => cluster.stop());

  it(
    'one that grows from 2 to 300 and shrinks again gives each member all of their stays, once and in order (I7)',
    { timeout: 240_000 },
    async () => {
      const conversation = 'town' as ConversationId;
      // Of the first, some stay connected, and some come and go; all the others are away until the end.
      const online = await Promise.all(Array.from({ length: SENDERS }, (_, index) => device(socketUrl(), name(index))));
      const flapping = await Promise.all(
        Array.from({ length: 6 }, async (_, index) => {
          const [user, storage] = [name(SENDERS + index), memoryStorage()];
          // A device that is new is told where its conversations stand, and none of their messages: from here on it is not.
          const { client } = await device(socketUrl(), user, { storage });
          await client.close();
          return { user, storage, heard: [] as Message[] };
        }),
      );
      const away = Array.from({ length: MEMBERS }, (_, index) => new Puller(socketUrl, name(index)));
      for (let from = 0; from < MEMBERS; from += 50) {
        await Promise.all(away.slice(from, from + 50).map((puller) => puller.visit()));
      }
      const [first] = online;
      if (first === undefined) throw new Error('there is a first one');
      await first.client.create({
        kind: 'group',
        conversation,
        title: 'Town',
        members: [name(1)],
        joinPolicy: 'open',
        historyPolicy: 'join',
      });

      let isOver = false;
      const flaps = flapping.map(async (one, index) => {
        while (!isOver) {
          const { client, heard } = await device(socketUrl(), one.user, { storage: one.storage });
          await sleep(150 + 70 * index);
          await client.close();
          one.heard.push(...(heard.get(conversation) ?? []));
          await sleep(100 + 50 * index);
        }
      });
      const owner = await connectAs(socketUrl(), name(0), 'operator');
      const users = (from: number, to: number): UserId[] =>
        Array.from({ length: to - from }, (_, index) => name(from + index));
      let said = 0;
      /** While the membership changes, all senders write. */
      const amidWriting = async (change: Parameters<RawSession['request']>[0]): Promise<void> => {
        const texts = Array.from({ length: 2 }, (_, index) => `${String(index)} amid ${JSON.stringify(change)}`);
        const writing = online.flatMap((sender) => texts.map((text) => says(sender, conversation, text)));
        await done(owner, change);
        said += (await Promise.all(writing)).filter((wasSaid) => wasSaid).length;
      };
      await done(owner, { t: 'invite', conversation, users: users(2, SENDERS) });
      for (let from = SENDERS; from < MEMBERS; from += WAVE) {
        await amidWriting({ t: 'invite', conversation, users: users(from, Math.min(MEMBERS, from + WAVE)) });
      }
      // Some are thrown out of the large group, and half of them come back.
      await amidWriting({ t: 'kick', conversation, users: users(100, 130) });
      await amidWriting({ t: 'invite', conversation, users: users(100, 115) });
      await Promise.all(away.slice(50, 60).map((puller) => puller.visit(40)));
      for (let to = MEMBERS; to > 2; to -= WAVE) {
        await amidWriting({ t: 'kick', conversation, users: users(Math.max(2, to - WAVE), to) });
      }
      isOver = true;
      await Promise.all(flaps);

      const entries = await readAll(owner, conversation);
      const switches = entries.map(controlOf).filter((control) => control?.control === 'diffusion');
      expect(switches).toEqual([
        { control: 'diffusion', mode: 'read' },
        { control: 'diffusion', mode: 'write' },
      ]);
      expect(entries.filter(({ countable }) => countable)).toHaveLength(said);

      for (let from = 0; from < MEMBERS; from += 50) {
        await Promise.all(away.slice(from, from + 50).map((puller) => puller.visit()));
      }
      for (const { user, got } of away) {
        expect(seqsOf(got.get(conversation) ?? []), user).toEqual(seqsOf(expectedOf(user as UserId, entries)));
      }
      for (const [index, { heard }] of online.entries()) {
        const expected = seqsOf(expectedOf(name(index), entries));
        await until(`${name(index)} has everything`, () => (heard.get(conversation)?.length ?? 0) >= expected.length);
        expect(seqsOf(heard.get(conversation) ?? []), name(index)).toEqual(expected);
      }
      for (const one of flapping) {
        const expected = seqsOf(expectedOf(one.user, entries));
        const last = await device(socketUrl(), one.user, { storage: one.storage });
        const all = (): readonly number[] => seqsOf([...one.heard, ...(last.heard.get(conversation) ?? [])]);
        const lacking = (): readonly number[] => expected.filter((seq) => !all().includes(seq));
        await until(
          () => `${one.user}, who comes and goes, lacks ${lacking().join()} of ${expected.join()}`,
          () => new Set(all()).size >= expected.length,
        );
        // What was told and not stored before the device went away comes again.
        expect([...new Set(all())], one.user).toEqual(expected);
        await last.client.close();
      }
      for (const puller of away.filter((_, index) => index % 20 === 0)) {
        const summary = (await puller.list()).find((each) => each.conversation === conversation);
        const user = puller.user as UserId;
        const { seq } = expectedOf(user, entries).at(-1) ?? { seq: 0 };
        const member = user === name(0) || user === name(1);
        expect(summary, user).toMatchObject({ unread: unreadOf(user, entries), seq, member, diffusion: 'write' });
      }
      await Promise.all(online.map(({ client }) => client.close()));
      owner.close();
    },
  );

  it(
    'who is in 500 large ones syncs with one request, and Redis is asked for each only once',
    { timeout: 240_000 },
    async () => {
      const GROUPS = 500;
      const group = (index: number): ConversationId => `hall${String(index)}` as ConversationId;
      const members = Array.from({ length: 40 }, (_, index) => `guest${String(index)}` as UserId);
      const reader = new Puller(socketUrl, 'guest0');
      await reader.visit();
      const host = await connectAs(socketUrl(), 'host', 'd1');
      for (let from = 0; from < GROUPS; from += 10) {
        await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            done(host, { t: 'create', kind: 'group', conversation: group(from + index), members }),
          ),
        );
      }
      let before: readonly ConversationSummary[] = [];
      await until(
        'all of them have switched over',
        async () => {
          before = await reader.list();
          return before.filter(({ diffusion }) => diffusion === 'read').length === GROUPS;
        },
        120_000,
      );
      await reader.visit();
      const written = [3, 77, 401];
      const say = async (index: number, n: number): Promise<void> =>
        done(host, { t: 'send', conversation: group(index), n, sentAt: n, type: 'text', body: `number ${String(n)}` });
      await Promise.all(written.map((index) => say(index, 1)));
      host.close();
      // What is not stored as diffused yet, which takes a second, is diffused once more after a restart: those few come into
      // memory for it, and from here on none of the others is.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const restarts = await monitorRedis(redis.url);
      for (const node of [...cluster.nodes]) await node.restart();
      await cluster.untilSpread(16);
      const resumed = restarts.count('HSCAN', /:c:hall/);
      restarts.close();
      expect(resumed).toBeLessThan(GROUPS / 10);

      const monitor = await monitorRedis(redis.url);
      const session = await connectAs(socketUrl(), 'guest0', 'puller');
      expect(await reader.catchUp(session, 500)).toBe(1);
      for (const index of written) {
        expect(
          reader.got
            .get(group(index))
            ?.map(({ body }) => body)
            .at(-1),
        ).toBe('number 1');
      }
      expect(seqsOf(reader.got.get(group(0)) ?? [])).toEqual([1, 2]);
      // One for each, one more where the node of the socket watches it, and of the conversations nothing else but what is
      // new; none of them comes into memory.
      expect(monitor.count('HMGET', /:c:hall.*"v:guest0"/)).toBe(GROUPS - resumed);
      expect(monitor.count('HMGET', /:c:hall/)).toBeLessThanOrEqual(2 * GROUPS);
      expect(monitor.count('HSCAN', /:c:hall/)).toBe(0);
      // They are short, so a text each, of which it is looked first whether it is one.
      expect(monitor.countInFunctions('GET', /:t:c:hall/)).toBe(written.length);
      expect(monitor.countInFunctions('XRANGE', /:t:c:hall/)).toBe(0);
      expect(monitor.count('HSCAN', /:u:guest0/)).toBeLessThanOrEqual(1);
      monitor.close();
      session.close();

      const after = await reader.list();
      const unread = (list: readonly ConversationSummary[], index: number): number | undefined =>
        list.find(({ conversation }) => conversation === group(index))?.unread;
      expect(written.map((index) => [unread(before, index), unread(after, index)])).toEqual(written.map(() => [0, 1]));
      // The latest active come first, though the user's own list has not heard of it.
      expect(
        after
          .slice(0, 3)
          .map(({ conversation }) => conversation)
          .sort(),
      ).toEqual(written.map(group).sort());
    },
  );
});
