import { fromUtf8, systemClock, systemRandom, systemTimers, utf8, type NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { defaultLinkLimits, Links } from '@millrace/node-link';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores } from './testing/open-stores.ts';
import { SwallowingProxy } from './testing/swallowing-proxy.ts';

const redis = testRedis();
const node = 'n1' as NodeId;
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  await vi.waitUntil(condition, { interval: 5, timeout: 15_000 });
};

let proxy: SwallowingProxy;
/** One node behind the proxy, and one whose connections nothing happens to. */
let faulty: RedisStores;
let sound: RedisStores;

beforeEach(async () => {
  await redis.flush();
  proxy = await SwallowingProxy.open(redis.url);
  faulty = await openRedisStores(proxy.url, { answerMsMax: 2_000, nodeStreamLimits: { blockMs: 200 } });
  sound = await openRedisStores(redis.url, { nodeStreamLimits: { blockMs: 200 } });
});
afterEach(async () => {
  faulty.close();
  sound.close();
  await proxy.close();
});

const added = async (): Promise<number> => {
  const info = (await redis.call('XINFO', 'STREAM', '{n:n1}:in')) as readonly unknown[];
  return Number(info[info.indexOf('entries-added') + 1]);
};

describe('a send', () => {
  let taken: string[];
  let before: number;
  beforeEach(async () => {
    taken = [];
    const opened = await sound.nodeStreams.open(node, (entries) => taken.push(...entries.map((one) => fromUtf8(one))));
    expect(opened.ok).toBe(true);
    expect(await faulty.nodeStreams.send(node, utf8('first'))).toEqual({ code: 'sent' });
    before = await added();
  });

  it('whose reply is lost with the connection is unknown, and is not made again by the client (I5)', async () => {
    const executed = proxy.swallowReplies();
    const answer = faulty.nodeStreams.send(node, utf8('x'));
    await executed;
    proxy.heal();
    proxy.cut();
    expect((await answer).code).toBe('unknown');
    // Whatever the client would have made again is in Redis before what is sent behind it.
    await until(async () => (await faulty.nodeStreams.send(node, utf8('last'))).code === 'sent');
    await until(() => taken.includes('last'));
    expect(taken).toEqual(['first', 'x', 'last']);
    expect((await added()) - before).toBe(2);
  });

  it('whose reply is lost in a silent network is unknown after the time limit (I5)', async () => {
    void proxy.swallowReplies();
    expect((await faulty.nodeStreams.send(node, utf8('x'))).code).toBe('unknown');
    proxy.heal();
    await until(async () => (await faulty.nodeStreams.send(node, utf8('last'))).code === 'sent');
    await until(() => taken.includes('last'));
    expect(taken).toEqual(['first', 'x', 'last']);
  });

  it('whose request is lost is unknown, and is never added (I5)', async () => {
    const lost = proxy.swallowRequests();
    const answer = faulty.nodeStreams.send(node, utf8('x'));
    await lost;
    proxy.heal();
    proxy.cut();
    expect((await answer).code).toBe('unknown');
    await until(async () => (await faulty.nodeStreams.send(node, utf8('last'))).code === 'sent');
    await until(() => taken.includes('last'));
    expect(taken).toEqual(['first', 'last']);
  });
});

describe('a reader', () => {
  it.each(['with its connection', 'in a silent network'])('whose answers are lost %s takes each once', async (how) => {
    const taken: string[] = [];
    let resets = 0;
    const opened = await faulty.nodeStreams.open(node, (entries) => taken.push(...entries.map((one) => fromUtf8(one))));
    if (opened.ok) opened.value.onReset(() => (resets += 1));
    const send = async (text: string): Promise<void> => {
      expect(await sound.nodeStreams.send(node, utf8(text))).toEqual({ code: 'sent' });
    };
    await send('1');
    await until(() => taken.length === 1);
    const lost = proxy.swallowReplies();
    await send('2');
    await lost;
    expect(taken).toEqual(['1']);
    proxy.heal();
    if (how === 'with its connection') proxy.cut();
    await until(() => taken.length === 2);
    await send('3');
    await until(() => taken.length === 3);
    expect({ taken, resets }).toEqual({ taken: ['1', '2', '3'], resets: 0 });
  });
});

describe('links over connections that lose replies', () => {
  it('answer every call once, and hand over every note or say that one is lost (K1, K3)', async () => {
    const heard: string[] = [];
    const links = (stores: RedisStores, self: string): Links =>
      new Links({
        self: self as NodeId,
        streams: stores.nodeStreams,
        clock: systemClock,
        timers: systemTimers,
        random: systemRandom,
        limits: { ...defaultLinkLimits, silenceMs: 200 },
        log: { warn: (message) => heard.push(message), error: (message) => heard.push(message) },
        onRequest: (_, payload, answer) => answer(utf8(`re:${fromUtf8(payload)}`)),
        onNote: (_, payload) => heard.push(fromUtf8(payload)),
        onGap: () => heard.push('gap'),
        onGone: (node) => heard.push(`gone ${node}`),
      });
    const [one, other] = [links(faulty, 'one'), links(sound, 'other')];
    for (const opened of await Promise.all([one.open(), other.open()])) expect(opened.ok).toBe(true);
    const outcomes = new Map<string, string[]>();
    const call = (from: Links, to: string, text: string): void => {
      const answers: string[] = [];
      outcomes.set(text, answers);
      from.call(to as NodeId, utf8(text), (outcome) =>
        answers.push(outcome.ok ? fromUtf8(outcome.value) : outcome.error.code),
      );
    };
    for (let round = 0; round < 6; round += 1) {
      const lost = round % 2 === 0 ? proxy.swallowReplies() : proxy.swallowRequests();
      for (let count = 0; count < 20; count += 1) {
        call(one, 'other', `one ${String(round)} ${String(count)}`);
        call(other, 'one', `other ${String(round)} ${String(count)}`);
      }
      one.note('other' as NodeId, utf8(`note ${String(round)}`));
      await lost;
      proxy.heal();
      proxy.cut();
      await until(() => [...outcomes.values()].every((answers) => answers.length > 0));
    }
    for (const [text, answers] of outcomes) expect(answers).toEqual([`re:${text}`]);
    await until(() => heard.includes('note 5'));
    expect(heard).toEqual(Array.from({ length: 6 }, (_, round) => `note ${String(round)}`));
    await Promise.all([one.close(), other.close()]);
    expect(await redis.call('KEYS', '*')).toEqual([]);
  });
});
