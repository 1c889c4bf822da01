import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, UserId } from '@millrace/kernel';
import { callRedis, describeLocalRedisError, startRedisCluster, type LocalRedisCluster } from '@millrace/local-redis';
import type { ConversationSummary, Message } from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { MillraceCluster, type ClusterNode } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
const USERS = Array.from({ length: 10 }, (_, index) => `user${String(index)}` as UserId);
const roomsOf = (name: string, count: number): ConversationId[] =>
  Array.from({ length: count }, (_, index) => `${name}${String(index)}` as ConversationId);
const ROOMS = roomsOf('room', 12);
/** Created in the part that is lost. */
const LATE = roomsOf('late', 12);
const RENEWED_MS_MAX = 60_000;

const shown = ({ gen, seq, body }: Message): string =>
  `${String(gen)}-${String(seq)} ${typeof body === 'string' ? body : ''}`;

/** What a device shows, and what the server lists: as far as it can be compared. */
const listed = (summaries: readonly ConversationSummary[]): readonly string[] =>
  summaries
    .map(({ conversation, gen, seq, msgNo, readSeq, own, unread, member }) =>
      [conversation, gen, seq, msgNo, readSeq, own, unread, member].join(' '),
    )
    .sort();

describe('one master of a Redis Cluster fails over to a replica that stood still, at ack level memory', () => {
  let dir = '';
  let redis: LocalRedisCluster | undefined;
  let cluster: MillraceCluster | undefined;
  let dying: ClusterNode | undefined;
  let living: ClusterNode | undefined;
  const devices = new Map<UserId, Device>();
  const of = (user: UserId | undefined): Device => {
    const found = user === undefined ? undefined : devices.get(user);
    if (found === undefined) throw new Error(`${String(user)} is connected`);
    return found;
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mr-loss-'));
    const started = await startRedisCluster({ dir, nodeTimeoutMs: 2_000, processGroup: 'shared' });
    if (!started.ok) throw new Error(describeLocalRedisError(started.error));
    redis = started.value;
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_LEASE_MS: '4000',
      MILLRACE_ACK: 'memory',
    });
    dying = await cluster.add();
    living = await cluster.add();
    await cluster.untilSpread(PARTITIONS);
    for (const user of USERS) devices.set(user, await device(living.socketUrl, user));
  }, 120_000);
  afterAll(async () => {
    await Promise.all([...devices.values()].map(({ client }) => client.close()));
    await cluster?.stop();
    await Promise.all((redis?.nodes ?? []).map((node) => node.kill()));
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it('leaves nothing that was told and is no more, nor the other way round, though nobody says another word', async () => {
    if (redis === undefined || dying === undefined || living === undefined) throw new Error('they were started');
    const [master, replica] = [redis.nodes[0], redis.nodes[3]];
    if (master === undefined || replica === undefined) throw new Error('there are six');
    const first = of(USERS[0]);
    // Every second user is in the rooms, and comes to the others in the part that will be lost.
    const early = USERS.filter((_, index) => index % 2 === 0);
    const coming = USERS.filter((user) => !early.includes(user));
    const say = (conversation: ConversationId, users: readonly UserId[], text: string): Promise<unknown> =>
      Promise.all(users.map((user) => of(user).client.send(conversation, `${text} of ${user}`)));
    for (const conversation of ROOMS) {
      await first.client.create({ kind: 'group', conversation, members: early, joinPolicy: 'open' });
      await say(conversation, early, 'early');
    }
    // Its log is on its disk; from now on it learns nothing any more.
    await sleep(1_500);
    expect((await replica.stop()).ok).toBe(true);

    for (const [index, conversation] of ROOMS.entries()) {
      for (const user of coming) await of(user).client.join(conversation);
      await say(conversation, USERS, 'late');
      const reader = of(early[1 + (index % 4)]);
      await until('the reader has it', () => reader.client.messages(conversation).length > 10);
      await reader.client.read(conversation);
      if (index % 3 === 0) await of(early[2]).client.leave(conversation);
    }
    for (const conversation of LATE) {
      await first.client.create({ kind: 'group', conversation, members: USERS, joinPolicy: 'open' });
      await say(conversation, USERS.slice(0, 3), 'late');
    }
    const everything = (): boolean =>
      USERS.every((user) => of(user).client.conversationList().length === ROOMS.length + LATE.length);
    await until('all of it has reached all', everything);
    // The cursors move on.
    await sleep(2_500);
    const told = new Map(USERS.map((user) => [user, listed(of(user).client.conversationList())]));

    await Promise.all([dying.kill('SIGKILL'), master.kill()]);
    expect((await replica.restart()).ok).toBe(true);
    const role = async (): Promise<unknown> => {
      const answer = await callRedis(replica.endpoint, ['ROLE']);
      return answer.ok && Array.isArray(answer.value) ? (answer.value as readonly unknown[])[0] : null;
    };
    await until('the replica has taken over', async () => {
      await callRedis(replica.endpoint, ['CLUSTER', 'FAILOVER', 'TAKEOVER']);
      return (await role()) === 'master';
    });
    const { httpUrl } = living;
    await until(
      'the other node serves everything',
      async () =>
        (await fetch(`${httpUrl}/readyz`)).status === 200 &&
        (await cluster?.owned(living as ClusterNode)) === PARTITIONS,
      RENEWED_MS_MAX,
    );

    /** What a room holds now, by the user who was in all of them from the start. */
    const truthOf = async (conversation: ConversationId): Promise<readonly string[] | null> => {
      try {
        const page = await first.client.history(conversation, { direction: 'forward', limit: 1_000 });
        return page.messages.map(shown);
      } catch (error) {
        if (error instanceof Error && /no conversation|not a member/.test(error.message)) return null;
        throw error;
      }
    };
    const truths = new Map<ConversationId, readonly string[] | null>();
    for (const conversation of [...ROOMS, ...LATE]) truths.set(conversation, await truthOf(conversation));
    // It was a loss: of conversations as a whole, and of the ends of others, while some have all of it.
    const lostLate = LATE.filter((conversation) => truths.get(conversation) === null);
    const shortened = ROOMS.filter((conversation) => (truths.get(conversation)?.length ?? 0) < 1 + early.length + 1);
    expect(lostLate.length).toBeGreaterThan(0);
    expect(lostLate.length).toBeLessThan(LATE.length);
    expect(shortened.length).toBeGreaterThan(0);

    // Those that are connected learn of it without asking.
    const wrong = (user: UserId): readonly string[] => {
      const { client } = of(user);
      const list = client.conversationList();
      return [...truths].flatMap(([conversation, truth]) => {
        const summary = list.find((each) => each.conversation === conversation);
        if (truth === null) return summary === undefined ? [] : [`${user} still lists ${conversation}`];
        const messages = client.messages(conversation).map(shown);
        const ghosts = messages.filter((message) => !truth.includes(message));
        return ghosts.map((message) => `${user} still shows ${conversation} ${message}`);
      });
    };
    let left: readonly string[] = [];
    await until(
      'no device shows what was lost',
      () => (left = USERS.flatMap(wrong)).length === 0,
      RENEWED_MS_MAX,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${left.slice(0, 10).join('\n')}`);
    });

    // And all of them show what a new one is told.
    for (const user of USERS) {
      const fresh = await device(living.socketUrl, user);
      const listing = await fresh.client.conversations({ limit: 500 });
      const list = listed(listing.conversations);
      await until(`${user}'s device lists what is true`, () => {
        const mine = listed(of(user).client.conversationList());
        return JSON.stringify(mine) === JSON.stringify(list);
      }).catch(() => {
        expect(listed(of(user).client.conversationList())).toEqual(list);
      });
      for (const { conversation, member, seq, unread, readSeq } of listing.conversations) {
        const truth = truths.get(conversation) ?? [];
        const members = member ? (await fresh.client.members(conversation, { limit: 100 })).members : [];
        expect(member, `${user} in ${conversation}`).toBe(members.some((each) => each.user === user));
        if (member) expect(seq, `${conversation} for ${user}`).toBe(truth.length);
        const theirs = truth
          .slice(readSeq, seq)
          .filter((text) => text.includes(' of user') && !text.endsWith(` ${user}`));
        expect(unread, `unread of ${user} in ${conversation}`).toBe(theirs.length);
        if (member) expect(members.find((each) => each.user === user)?.readSeq).toBe(readSeq);
      }
      await fresh.client.close();
    }
    expect(
      USERS.filter(
        (user) => JSON.stringify(told.get(user)) !== JSON.stringify(listed(of(user).client.conversationList())),
      ),
    ).not.toEqual([]);

    // What was lost is told by its generation.
    for (const conversation of shortened) {
      const lastSeq = truths.get(conversation)?.length ?? 0;
      const asked = first.client.history(conversation, {
        direction: 'forward',
        from: (lastSeq + 4) as never,
        gen: 1 as never,
      });
      await expect(asked).rejects.toMatchObject({ code: 'regressed' });
    }
  }, 240_000);
});
