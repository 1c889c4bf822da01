import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Readers, Receipts } from '@millrace/protocol';
import type { RawSession, UnaskedFrame } from '@millrace/raw-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { frameCheck } from './support/frame-check.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs } from './support/read-back.ts';
import { monitorRedis } from './support/redis-monitor.ts';
import { until } from './support/until.ts';

const membersOf = (count: number): UserId[] =>
  Array.from({ length: count }, (_, index) => `m-${String(index).padStart(5, '0')}` as UserId);

describe('large groups on the real server', () => {
  const redis = testRedis();
  const http = httpCaller(() => millrace.httpUrl);
  let millrace: MillraceProcess;
  const devices: Device[] = [];
  const sessions: RawSession[] = [];

  const connect = async (user: string): Promise<Device> => {
    const connected = await device(millrace.socketUrl, user);
    devices.push(connected);
    return connected;
  };
  const raw = async (user: string, onUnasked?: (frame: UnaskedFrame) => void): Promise<RawSession> => {
    const session = await connectAs(millrace.socketUrl, user, 'raw', onUnasked);
    sessions.push(session);
    return session;
  };
  /** How often Redis has executed a function: each call commits what was ready of all partitions. */
  const functionCalls = async (): Promise<number> => {
    const stats = String(await redis.call('INFO', 'commandstats'));
    return Number(/cmdstat_fcall:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, { MILLRACE_PARTITIONS: '16', MILLRACE_API_KEYS: scopedKeysVariable });
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map(({ client }) => client.close()));
    for (const session of sessions.splice(0)) session.close();
    expect(frameCheck.take().problems).toEqual([]);
  });
  afterAll(async () => {
    expect(await millrace.stop()).toBe(0);
  });

  it('300 members who read at once are counted exactly, in few commits, and are told to the author in counts', async () => {
    const count = 300;
    const members = membersOf(count);
    const ann = await connect('ann');
    const { conversation } = await ann.client.create({ kind: 'group', members: members.slice(0, 200) });
    await ann.client.invite(conversation, members.slice(200));
    const told: Omit<Receipts, 't'>[] = [];
    ann.client.on('receipts', (receipts) => told.push(receipts));
    const single: string[] = [];
    ann.client.on('receipt', ({ user }) => single.push(user));
    const { seq } = await ann.client.send(conversation, 'who reads this?');
    const heard: string[] = [];
    const note = (frame: UnaskedFrame): void => {
      if (frame.t === 'receipt' || frame.t === 'receipts') heard.push(frame.t);
    };
    const readers = await Promise.all(members.map((user) => raw(user, note)));

    const before = await functionCalls();
    const beganAt = performance.now();
    const answers = await Promise.all(readers.map((session) => session.request({ t: 'read', conversation, seq })));
    expect(answers.map((answer) => answer.ok && answer.value.unread)).toEqual(members.map(() => 0));
    await until('the author is told of all', () => told.at(-1)?.readers.at(-1)?.read === count);
    const seconds = (performance.now() - beganAt) / 1_000;
    const calls = (await functionCalls()) - before;
    // Each position is a write of the conversation and one of the user's inbox, and a call to Redis takes many of them.
    expect(calls).toBeLessThan(count / 4);
    expect(told.length).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    expect(told.at(-1)).toMatchObject({
      conversation,
      readers: [{ seq, recipients: count, delivered: count, read: count }],
    });
    expect([single, heard]).toEqual([[], []]);

    const all: Omit<Readers, 't' | 'id'> = await ann.client.readers(conversation, seq, { list: 'read', limit: 250 });
    expect(all).toMatchObject({ recipients: count, read: count, next: 'm-00249' });
    const rest = await ann.client.readers(conversation, seq, { list: 'read', after: 'm-00249' as UserId });
    expect([...all.users, ...rest.users].map(({ user }) => user)).toEqual(members);
    expect((await ann.client.readers(conversation, seq, { list: 'unread' })).users).toEqual([]);
  });

  it('order is kept by mutes, slow mode and bans, and every refusal says what to do', async () => {
    const [ann, bob, cat] = [await connect('ann'), await connect('bob'), await connect('cat')];
    const users = { bob: 'bob' as UserId, cat: 'cat' as UserId };
    const { conversation } = await ann.client.create({ kind: 'group', title: 'old', members: [users.bob, users.cat] });
    const refusal = async (work: Promise<unknown>) => {
      const error = await work.then(
        () => null,
        (reason: unknown) => reason as { readonly code: string; readonly retry: string },
      );
      return error === null ? 'ok' : `${error.code} ${error.retry}`;
    };
    await ann.client.changeSettings(conversation, { title: 'new' });
    await until('the new title is there', () => bob.client.conversationList().some(({ title }) => title === 'new'));
    await ann.client.mute(conversation, [users.bob]);
    expect(await refusal(bob.client.send(conversation, 'muted'))).toBe('muted never');
    expect(await refusal(bob.client.unmute(conversation, [users.bob]))).toBe('forbidden never');
    expect(await bob.client.info(conversation)).toMatchObject({ title: 'new', role: 'member', mutedUntil: null });
    await ann.client.unmute(conversation, [users.bob]);

    // The client waits as the refusal says, and sends again by itself.
    await ann.client.changeSettings(conversation, { slowModeMs: 400 });
    const times: number[] = [];
    for (const text of ['one', 'two', 'three']) times.push((await bob.client.send(conversation, text)).at);
    const [first = 0, second = 0, third = 0] = times;
    expect([second - first >= 400, third - second >= 400]).toEqual([true, true]);
    await ann.client.changeSettings(conversation, { muted: true, slowModeMs: 0 });
    expect(await refusal(bob.client.send(conversation, 'all are muted'))).toBe('muted never');
    await ann.client.send(conversation, 'but for me');

    await ann.client.ban(conversation, [users.cat]);
    await until('cat is out', () => cat.client.conversationList().every(({ member }) => !member));
    expect(await refusal(cat.client.join(conversation))).toBe('banned never');
    expect(await refusal(ann.client.invite(conversation, [users.cat]))).toBe('banned never');
    expect(await ann.client.bans(conversation)).toMatchObject({ count: 1, users: ['cat'], next: null });
    expect(await refusal(bob.client.bans(conversation))).toBe('forbidden never');
    await millrace.restart();
    expect(await refusal(cat.client.join(conversation)), 'it was stored').toBe('banned never');
    await ann.client.unban(conversation, [users.cat]);
    expect(await refusal(ann.client.invite(conversation, [users.cat]))).toBe('ok');
  });

  it('who is blocked can neither write directly nor make the conversation, and a block is stored before there is one', async () => {
    const [dan, eve] = [await connect('dan'), await connect('eve')];
    await dan.client.block('eve' as UserId);
    await expect(dan.client.block('dan' as UserId)).rejects.toMatchObject({ code: 'bad_request' });
    await millrace.restart();
    await expect(eve.client.createDirect('dan' as UserId)).rejects.toMatchObject({ code: 'blocked' });
    const { conversation } = await dan.client.createDirect('eve' as UserId);
    await until('eve knows of it', () => eve.client.conversationList().length === 1);
    await expect(eve.client.send(conversation, 'please')).rejects.toMatchObject({ code: 'blocked' });
    await dan.client.send(conversation, 'no');
    await dan.client.unblock('eve' as UserId);
    await eve.client.send(conversation, 'thanks');
  });

  it('1,000 members come in by chunks, by the SDK and over HTTP, and who begins again loses and doubles nothing', async () => {
    const members = membersOf(1_000);
    const ann = await connect('ann');
    const told: string[] = [];
    const progress = (done: number, of: number): void => {
      told.push(`${String(done)}/${String(of)}`);
      // The server goes down under it: the client waits, and goes on.
      if (done === 400) void millrace.restart();
    };
    const options = { kind: 'group', conversation: 'crowd' as ConversationId, members } as const;
    await ann.client.create(options, progress);
    expect(told).toEqual(['200/1000', '400/1000', '600/1000', '800/1000', '1000/1000']);
    const info = () => ann.client.info(options.conversation);
    expect(await info()).toMatchObject({ memberCount: 1_001 });
    const entries = async () => (await ann.client.history(options.conversation, { limit: 100 })).messages.length;
    // Five chunks, and the switch to being pulled.
    expect(await entries()).toBe(6);
    await ann.client.create(options);
    await ann.client.inviteAll(options.conversation, members);
    expect([(await info()).memberCount, await entries()]).toEqual([1_001, 6]);

    const more = Array.from({ length: 1_000 }, (_, index) => `n-${String(index)}`);
    const path = '/api/v1/conversations';
    const body = { creator: 'ann', kind: 'group', conversation: 'hall', members: more };
    expect(await http('POST', path, { body })).toMatchObject({ status: 201, json: { fresh: true } });
    const added = await http('POST', `${path}/hall/members`, { body: { users: [...more, ...members] } });
    expect(added.status).toBe(200);
    expect((await http('GET', `${path}/hall`)).json).toMatchObject({ memberCount: 2_001 });
    const tooMany = await http('POST', `${path}/hall/members`, { body: { users: membersOf(10_001) } });
    expect(tooMany).toMatchObject({ status: 400, code: 'bad_request' });
    // One whom nobody lets in stops the list where they stand; what is before them is in.
    expect((await http('PUT', `${path}/hall/bans/x-300`)).status).toBe(200);
    const extra = Array.from({ length: 500 }, (_, index) => `x-${String(index)}`);
    const refused = await http('POST', `${path}/hall/members`, { body: { users: extra } });
    expect(refused).toMatchObject({ status: 403, code: 'banned', json: { error: { done: 200 } } });
    expect((await http('GET', `${path}/hall`)).json).toMatchObject({ memberCount: 2_201 });
  });

  it('a group of thousands is loaded once when it comes into memory, and not again for what is asked of it', async () => {
    const ann = await connect('ann');
    const conversation = 'loaded' as ConversationId;
    await ann.client.create({ kind: 'group', conversation, members: membersOf(2_000) });
    const { seq } = await ann.client.send(conversation, 'hello');
    const monitor = await monitorRedis(redis.url);
    let marks = 0;
    await millrace.restart();
    await ann.client.info(conversation);
    const reads = ['HGETALL', 'HSCAN', 'HMGET', 'HGET'];
    /** Of the group's own record: whatever else the node looks at meanwhile. */
    const loads = async (): Promise<number> => {
      // What is read by now is in the monitor by then.
      await redis.call('ECHO', `mark ${String((marks += 1))}`);
      await until('the monitor has come so far', () => monitor.count('ECHO', new RegExp(`mark ${String(marks)}`)) > 0);
      const counts = reads.map((name) => monitor.count(name, /:loaded"/) + monitor.countInFunctions(name, /:loaded"/));
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const before = await loads();
    expect(before).toBeGreaterThan(0);
    for (let each = 0; each < 10; each += 1) {
      expect(await ann.client.members(conversation, { limit: 500 })).toMatchObject({ count: 2_001 });
      expect(await ann.client.readers(conversation, seq, { list: 'unread' })).toMatchObject({ recipients: 2_000 });
    }
    // Twenty questions; a commit looks where the group stands.
    expect((await loads()) - before).toBeLessThan(5);
    monitor.close();
  });

  it('who is no member, or asks for what is not there, is not told who has read (I11)', async () => {
    const ann = await connect('ann');
    const { conversation, seq } = await ann.client.create({ kind: 'group', members: ['bob' as UserId] });
    const mallory = await connect('mallory');
    await expect(mallory.client.readers(conversation, seq)).rejects.toMatchObject({ code: 'not_member' });
    const beyond = ann.client.readers(conversation, (seq + 1) as typeof seq);
    await expect(beyond).rejects.toMatchObject({ code: 'not_found' });
    await expect(ann.client.readers('nowhere' as ConversationId, seq)).rejects.toMatchObject({ code: 'not_found' });
  });
});
