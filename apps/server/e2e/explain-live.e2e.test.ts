import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { PlainSocket, type PlainFrame } from './support/plain-socket.ts';
import { tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const PARTITIONS = 4;
const town = 'town';

interface Spread {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

interface Device {
  readonly device: string;
  readonly node: string | null;
  readonly state: string;
  readonly at: number | null;
  readonly pushedAt: number | null;
}

interface Story {
  readonly message: { readonly at: number };
  readonly steps: readonly {
    readonly step: string;
    readonly mode?: string;
    readonly pushed?: Spread | null;
    readonly gateways?: readonly (Spread & { readonly node: string })[];
  }[];
  readonly members: readonly {
    readonly user: string;
    readonly inbox: { readonly state: string };
    readonly devices: readonly Device[];
  }[];
}

/** Two nodes, and devices that show the conversation or do not. Every answer is held against the document. */
describe('the story of a message that comes into no inbox', () => {
  const redis = testRedis();
  const open: PlainSocket[] = [];
  let cluster: MillraceCluster;
  let tablet: PlainSocket;
  let tabletToken = '';
  let annsPhone: PlainSocket;
  let bensPhone: PlainSocket;
  let cleosPhone: PlainSocket;
  let seq = 0;

  const ask = (index: number, method: string, path: string, body?: unknown) =>
    httpCaller(() => cluster.nodes[index]?.httpUrl ?? '')(method, path, body === undefined ? {} : { body });
  const storyOf = async (index = 0): Promise<Story> => {
    const answer = await ask(index, 'GET', `/api/v1/conversations/${town}/messages/${String(seq)}/story`);
    return answer.json as unknown as Story;
  };
  const deviceOf = ({ members }: Story, user: string, device: string): Device | undefined =>
    members.find((member) => member.user === user)?.devices.find((each) => each.device === device);
  const connect = async (index: number, user: string, device: string): Promise<PlainSocket> => {
    const socket = await PlainSocket.connect(cluster.nodes[index]?.socketUrl ?? '', await tokenFor(user), device);
    open.push(socket);
    return socket;
  };
  const sync = async (socket: PlainSocket, token?: string, more: object = {}): Promise<string> => {
    const synced = await socket.ask({ t: 'sync', ...(token === undefined ? {} : { token }), ...more });
    expect(synced['t']).toBe('synced');
    return String(synced['token']);
  };
  const shows = async (socket: PlainSocket): Promise<void> => {
    expect((await socket.ask({ t: 'open', conversation: town }))['t']).toBe('ok');
    await socket.until((frame) => frame['t'] === 'heads');
  };
  const brings = (frame: PlainFrame, of: number): boolean =>
    frame['t'] === 'live' && Number(frame['prev']) < of && Number(frame['seq']) >= of;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_READ_ABOVE: '3',
      MILLRACE_WRITE_BELOW: '2',
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_API_KEYS: scopedKeysVariable,
    });
    for (let count = 0; count < 2; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
    const body = { creator: 'ann', kind: 'group', conversation: town, members: ['ben', 'cleo', 'dora'] };
    expect((await ask(0, 'POST', '/api/v1/conversations', body)).status).toBe(201);
    annsPhone = await connect(0, 'ann', 'phone');
    bensPhone = await connect(1, 'ben', 'phone');
    cleosPhone = await connect(0, 'cleo', 'phone');
    tablet = await connect(1, 'ben', 'tablet');
    tabletToken = await sync(tablet, await sync(tablet));
    for (const socket of [bensPhone, cleosPhone]) await shows(socket);
  });
  afterAll(async () => {
    for (const socket of open) socket.cut();
    await cluster.stop();
  });

  it('tells which devices it was pushed to as it came, by which gateway and when, and which were not sent it', async () => {
    const send = { t: 'send', conversation: town, n: 1, sentAt: 1, type: 'text', body: 'hello, all' };
    const ack = await annsPhone.ask(send);
    seq = Number(ack['seq']);
    for (const socket of [bensPhone, cleosPhone]) await socket.until((frame) => brings(frame, seq));
    for (const index of [0, 1]) {
      const story = await storyOf(index);
      const diffused = story.steps.find(({ step }) => step === 'diffused');
      expect(diffused).toMatchObject({ mode: 'read', pushed: { count: 2 } });
      expect(diffused?.gateways).toMatchObject([
        { node: 'node-1', count: 1 },
        { node: 'node-2', count: 1 },
      ]);
      expect(story.members.map(({ inbox }) => inbox.state)).toEqual(['pulled', 'pulled', 'pulled', 'pulled']);
      expect(deviceOf(story, 'ann', 'phone')).toMatchObject({ state: 'author', node: 'node-1' });
      for (const [user, node] of [
        ['ben', 'node-2'],
        ['cleo', 'node-1'],
      ] as const) {
        const device = deviceOf(story, user, 'phone');
        expect(device).toMatchObject({ state: 'pushed', node });
        // Clocks of one machine: it was stored before.
        expect(device?.at).toBeGreaterThanOrEqual(story.message.at - 5);
        expect(device?.pushedAt).toBe(device?.at);
      }
      expect(deviceOf(story, 'ben', 'tablet')).toMatchObject({ state: 'behind', node: 'node-2', pushedAt: null });
    }
  });

  it('says when a device pulls it, and when it says that it has it, however it says so', async () => {
    const next = await sync(tablet, tabletToken);
    expect(deviceOf(await storyOf(), 'ben', 'tablet')).toMatchObject({ state: 'pulled' });
    await sync(tablet, next);
    expect(deviceOf(await storyOf(1), 'ben', 'tablet')).toMatchObject({ state: 'applied' });
    expect((await bensPhone.ask({ t: 'delivered', conversation: town, seq }))['t']).toBe('ok');
    expect(deviceOf(await storyOf(), 'ben', 'phone')).toMatchObject({ state: 'applied' });
    // It had it by `live`, and tells so when it syncs next.
    const token = await sync(cleosPhone);
    await sync(cleosPhone, token, { reached: [{ conversation: town, gen: 1, seq }] });
    expect(deviceOf(await storyOf(1), 'cleo', 'phone')).toMatchObject({ state: 'applied' });
  });

  it('tells nothing of a device that closed the conversation before, until it pages it', async () => {
    expect((await cleosPhone.ask({ t: 'close', conversation: town }))['t']).toBe('ok');
    const send = { t: 'send', conversation: town, n: 2, sentAt: 2, type: 'text', body: 'for those who look' };
    seq = Number((await annsPhone.ask(send))['seq']);
    await bensPhone.until((frame) => brings(frame, seq));
    await until('the push is noted', async () => deviceOf(await storyOf(), 'ben', 'phone')?.state === 'pushed');
    expect(deviceOf(await storyOf(), 'cleo', 'phone')).toMatchObject({ state: 'behind', node: 'node-1' });
    const page = { t: 'history', conversation: town, direction: 'backward', limit: 1 };
    expect((await cleosPhone.ask(page))['t']).toBe('page');
    expect(deviceOf(await storyOf(), 'cleo', 'phone')).toMatchObject({ state: 'pulled' });
  });
});
