import { setTimeout as sleep } from 'node:timers/promises';
import { type ConversationId, type UserId } from '@millrace/kernel';
import { testRedis, type TestRedis } from '@millrace/local-redis/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { frameCheck } from './support/frame-check.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { AofWatch } from './support/power-loss.ts';
import { compare, connectAs, readAll } from './support/read-back.ts';
import { SturdySender } from './support/sturdy-sender.ts';

/** How often the server is killed; `npm run crash` sets more. */
const KILLS = Number(process.env['MILLRACE_TEST_KILLS'] ?? 3);
const USERS = ['ann', 'ben', 'cleo', 'dora'];

/** What the schema finds wrong with the frames of a test; there must have been some. */
function expectSoundFrames(): void {
  const { problems, checked } = frameCheck.take();
  expect(problems).toEqual([]);
  expect(checked).toBeGreaterThan(0);
}

/** On a socket file: while Redis is down, nobody can take its port. */
async function restarted(redis: TestRedis): Promise<void> {
  const outcome = await redis.server.restart();
  if (!outcome.ok) throw new Error(outcome.error.message);
}

async function createConversations(millrace: MillraceProcess): Promise<readonly ConversationId[]> {
  const session = await connectAs(millrace.socketUrl, 'ann', 'setup');
  const ids: ConversationId[] = [];
  for (const name of ['one', 'two', 'three']) {
    const members = USERS.slice(1) as UserId[];
    const created = await session.request({
      t: 'create',
      kind: 'group',
      conversation: name as ConversationId,
      members,
    });
    if (!created.ok) throw new Error(JSON.stringify(created.error));
    ids.push(created.value.conversation);
  }
  session.close();
  return ids;
}

function senders(millrace: MillraceProcess, conversations: readonly ConversationId[]): readonly SturdySender[] {
  const all = USERS.flatMap((user) =>
    conversations.map(
      (conversation) => new SturdySender(user, `${user}-${conversation}`, conversation, () => millrace.socketUrl),
    ),
  );
  for (const sender of all) sender.start();
  return all;
}

/** What every member of every conversation finds, against every ack. */
async function findings(
  millrace: MillraceProcess,
  conversations: readonly ConversationId[],
  all: readonly SturdySender[],
) {
  const acknowledged = all.flatMap((sender) => sender.acknowledged);
  const found = { lost: [] as string[], duplicated: [] as string[], gaps: [] as string[] };
  const gens = new Set<number>();
  for (const user of USERS) {
    const session = await connectAs(millrace.socketUrl, user, `check-${String(acknowledged.length)}`);
    for (const conversation of conversations) {
      const messages = await readAll(session, conversation);
      for (const { gen } of messages) gens.add(gen);
      const here = compare(
        messages,
        acknowledged.filter((ack) => ack.conversation === conversation),
      );
      found.lost.push(...here.lost);
      found.duplicated.push(...here.duplicated);
      found.gaps.push(...here.gaps);
    }
    session.close();
  }
  return { ...found, gens: [...gens], acknowledged: acknowledged.length };
}

describe('the server is killed under load', () => {
  const redis = testRedis();
  let millrace: MillraceProcess | undefined;
  afterEach(async () => {
    await millrace?.stop();
    millrace = undefined;
    expectSoundFrames();
  });

  it(
    '(I1)(I3)(I4) kill -9 of the server at random moments loses, repeats and skips nothing',
    { timeout: 60_000 + KILLS * 15_000 },
    async () => {
      millrace = await startMillrace(redis.url);
      const conversations = await createConversations(millrace);
      const all = senders(millrace, conversations);
      for (let kill = 0; kill < KILLS; kill += 1) {
        await sleep(200 + Math.random() * 800);
        await millrace.restart();
      }
      await sleep(300);
      await Promise.all(all.map((sender) => sender.finish()));
      const found = await findings(millrace, conversations, all);
      expect(found).toMatchObject({ lost: [], duplicated: [], gaps: [], gens: [1] });
      expect(found.acknowledged).toBeGreaterThan(KILLS * 20);
    },
  );
});

describe('Redis is killed under load at ack level disk', () => {
  const redis = testRedis({ appendfsync: 'always', unixSocket: true });
  let millrace: MillraceProcess | undefined;
  afterEach(async () => {
    await millrace?.stop();
    millrace = undefined;
    expectSoundFrames();
  });

  it(
    '(I1)(I5) kill -9 of Redis, the server going on, loses, repeats and skips nothing',
    { timeout: 60_000 + KILLS * 15_000 },
    async () => {
      millrace = await startMillrace(redis.url, { MILLRACE_ACK: 'disk' });
      const conversations = await createConversations(millrace);
      const all = senders(millrace, conversations);
      for (let kill = 0; kill < KILLS; kill += 1) {
        await sleep(200 + Math.random() * 800);
        await redis.server.kill('SIGKILL');
        await restarted(redis);
      }
      await sleep(300);
      await Promise.all(all.map((sender) => sender.finish()));
      const found = await findings(millrace, conversations, all);
      expect(found).toMatchObject({ lost: [], duplicated: [], gaps: [], gens: [1] });
      expect(found.acknowledged).toBeGreaterThan(KILLS * 20);
    },
  );

  it(
    '(I1)(I3) server and Redis losing power together, the file cut back to its last fsync, lose nothing',
    { timeout: 60_000 + KILLS * 15_000 },
    async () => {
      await redis.flush();
      millrace = await startMillrace(redis.url, { MILLRACE_ACK: 'disk' });
      const conversations = await createConversations(millrace);
      const all = senders(millrace, conversations);
      const [, appendfsync] = (await redis.call('CONFIG', 'GET', 'appendfsync')) as [string, string];
      for (let kill = 0; kill < KILLS; kill += 1) {
        const watch = new AofWatch(redis.server);
        await sleep(1_200 + Math.random() * 800);
        const server = millrace;
        await Promise.all([watch.losePower(appendfsync), server.kill('SIGKILL')]);
        await restarted(redis);
        await millrace.restart();
      }
      await Promise.all(all.map((sender) => sender.finish()));
      const found = await findings(millrace, conversations, all);
      expect(all.flatMap(({ acknowledged }) => acknowledged).every((ack) => ack.level === 'disk')).toBe(true);
      expect(found).toMatchObject({ lost: [], duplicated: [], gaps: [], gens: [1] });
    },
  );
});

describe('server and Redis lose power at ack level memory', () => {
  const redis = testRedis({ appendfsync: 'everysec', unixSocket: true });
  let millrace: MillraceProcess | undefined;
  afterEach(async () => {
    await millrace?.stop();
    millrace = undefined;
    expectSoundFrames();
  });

  it('(I3) the loss raises the generation, and what is left is dense', { timeout: 120_000 }, async () => {
    millrace = await startMillrace(redis.url, { MILLRACE_ACK: 'memory' });
    const conversations = await createConversations(millrace);
    const all = senders(millrace, conversations);
    const [, appendfsync] = (await redis.call('CONFIG', 'GET', 'appendfsync')) as [string, string];
    const watch = new AofWatch(redis.server);
    await sleep(2_500);
    const server = millrace;
    const [lostBytes] = await Promise.all([watch.losePower(appendfsync), server.kill('SIGKILL')]);
    await restarted(redis);
    await millrace.restart();
    await sleep(500);
    await Promise.all(all.map((sender) => sender.finish()));
    const found = await findings(millrace, conversations, all);
    expect(all.flatMap(({ acknowledged }) => acknowledged).every((ack) => ack.level === 'memory')).toBe(true);
    expect(found).toMatchObject({ duplicated: [], gaps: [], gens: [1, 2] });
    expect(lostBytes).toBeGreaterThan(0);
    expect(found.lost.length).toBeGreaterThan(0);
  });
});
