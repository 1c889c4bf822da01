import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { PlainSocket, type PlainFrame } from './support/plain-socket.ts';
import { tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const PARTITIONS = 12;
const NAMES = ['node-1', 'node-2', 'node-3'];

interface Step {
  readonly step: string;
  readonly known: string;
  readonly node: string | null;
  readonly at: number | null;
  readonly tookMs: number | null;
  readonly why: readonly { readonly code: string; readonly nodes: readonly string[] }[];
  readonly to?: string;
}

interface Device {
  readonly device: string;
  readonly node: string | null;
  readonly state: string;
  readonly at: number | null;
  readonly told: { readonly seq: number } | null;
}

interface Story {
  readonly asked: string;
  readonly message: { readonly from: string; readonly device: string | null; readonly n: number; readonly at: number };
  readonly steps: readonly Step[];
  readonly recipients: { readonly count: number; readonly delivered: number; readonly read: number };
  readonly members: readonly {
    readonly user: string;
    readonly inbox: {
      readonly known: string;
      readonly state: string;
      readonly seq: number;
      readonly at: number | null;
    };
    readonly read: boolean;
    readonly readAt: number | null;
    readonly devices: readonly Device[];
  }[];
  readonly nodes: readonly { readonly name: string; readonly state: string }[];
}

/** Three nodes and several devices. Every answer is held against the document. */
describe('the story of a message in a cluster of three nodes', () => {
  const redis = testRedis();
  const open: PlainSocket[] = [];
  let cluster: MillraceCluster;
  /** Owned by the second node. */
  let talk = '';
  let seq = 0;
  let phoneOfBen: PlainSocket;
  /** What ben's tablet keeps while it is away. */
  let tabletToken = '';

  const ask = (index: number, method: string, path: string, body?: unknown) =>
    httpCaller(() => cluster.nodes[index]?.httpUrl ?? '')(method, path, body === undefined ? {} : { body });
  const storyOf = async (index: number, query = '', of = { talk, seq }): Promise<Story> => {
    const path = `/api/v1/conversations/${of.talk}/messages/${String(of.seq)}/story${query}`;
    return (await ask(index, 'GET', path)).json as unknown as Story;
  };
  const step = ({ steps }: Story, name: string): Step | undefined => steps.find((each) => each.step === name);
  const deviceOf = ({ members }: Story, user: string, device: string): Device | undefined =>
    members.find((member) => member.user === user)?.devices.find((each) => each.device === device);
  const connect = async (index: number, user: string, device: string): Promise<PlainSocket> => {
    const socket = await PlainSocket.connect(cluster.nodes[index]?.socketUrl ?? '', await tokenFor(user), device);
    open.push(socket);
    return socket;
  };
  const sync = async (socket: PlainSocket, token?: string): Promise<string> => {
    const synced = await socket.ask({ t: 'sync', ...(token === undefined ? {} : { token }) });
    expect(synced['t']).toBe('synced');
    return String(synced['token']);
  };
  const holds = (frame: PlainFrame, of: number): boolean =>
    frame['t'] === 'push' && JSON.stringify(frame).includes(`"seq":${String(of)},"msgNo"`);

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_LEASE_MS: '10000',
      MILLRACE_DRAIN_MS: '300',
      MILLRACE_API_KEYS: scopedKeysVariable,
    });
    for (let count = 0; count < NAMES.length; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
    for (let index = 0; talk === ''; index += 1) {
      const conversation = `talk-${String(index)}`;
      const body = { creator: 'ann', kind: 'group', conversation, members: ['ben', 'cleo'] };
      expect((await ask(0, 'POST', '/api/v1/conversations', body)).status).toBe(201);
      const first = await storyOf(0, '', { talk: conversation, seq: 1 });
      if (step(first, 'sequenced')?.node === 'node-2') talk = conversation;
    }
  });
  afterAll(async () => {
    for (const socket of open) socket.cut();
    await cluster.stop();
  });

  it('is told alike by every node, from the gateway to the devices', async () => {
    const phone = await connect(0, 'ann', 'phone');
    const laptop = await connect(2, 'ann', 'laptop');
    phoneOfBen = await connect(1, 'ben', 'phone');
    const tablet = await connect(2, 'ben', 'tablet');
    for (const socket of [phone, laptop, phoneOfBen]) await sync(socket);
    // The first sync is a snapshot; by the second the tablet says that it stands there.
    tabletToken = await sync(tablet, await sync(tablet));
    tablet.cut();
    await until('the tablet is gone', async () => {
      const { json } = await ask(0, 'GET', '/api/v1/users/ben/sessions');
      return (json['sessions'] as readonly unknown[]).length === 1;
    });
    const ack = await phone.ask({ t: 'send', conversation: talk, n: 1, sentAt: 1, type: 'text', body: 'hello' });
    seq = Number(ack['seq']);
    await phoneOfBen.until((frame) => holds(frame, seq));
    await laptop.until((frame) => holds(frame, seq));
    await until('it is in all inboxes', async () => step(await storyOf(0), 'diffused')?.at !== null);

    const stories = await Promise.all([storyOf(0), storyOf(1), storyOf(2)]);
    expect(stories.map(({ asked }) => asked)).toEqual(NAMES);
    for (const story of stories) {
      expect(story.message).toMatchObject({ from: 'ann', device: 'phone', n: 1, at: ack['at'] });
      expect(story.steps.map(({ step: name, known, node }) => [name, known, node])).toEqual([
        ['accepted', 'traced', 'node-1'],
        ['routed', 'traced', 'node-1'],
        ['sequenced', 'traced', 'node-2'],
        ['committed', 'traced', 'node-2'],
        ['acked', 'traced', 'node-1'],
        ['diffused', 'traced', 'node-2'],
      ]);
      expect(step(story, 'routed')).toMatchObject({ to: 'node-2', way: 'node_stream', tries: 1 });
      expect(step(story, 'acked')?.tookMs).toBeGreaterThanOrEqual(step(story, 'committed')?.tookMs ?? Infinity);
      expect(step(story, 'diffused')).toMatchObject({ recipients: 3, looked: 3, reached: 3, delivered: { count: 3 } });
      expect(story.recipients).toEqual({ count: 3, delivered: 0, read: 0 });
      expect(story.members.map(({ user, inbox }) => [user, inbox.known, inbox.state])).toEqual([
        ['ann', 'traced', 'there'],
        ['ben', 'traced', 'there'],
        ['cleo', 'traced', 'there'],
      ]);
      expect(deviceOf(story, 'ann', 'phone')).toMatchObject({ state: 'author', node: 'node-1' });
      expect(deviceOf(story, 'ann', 'laptop')).toMatchObject({ state: 'pushed', node: 'node-3' });
      expect(deviceOf(story, 'ben', 'phone')).toMatchObject({ state: 'pushed', node: 'node-2', told: null });
      expect(story.members[2]?.devices).toEqual([]);
      expect(story.nodes).toMatchObject(NAMES.map((name) => ({ name, state: 'told' })));
    }
  });

  it('says of a device that is away that it has not pulled, until it does, and then until it says so', async () => {
    const before = await storyOf(0);
    const inbox = before.members[1]?.inbox.seq ?? 0;
    expect(deviceOf(before, 'ben', 'tablet')).toMatchObject({ state: 'behind', node: null, told: { seq: inbox - 1 } });
    const tablet = await connect(0, 'ben', 'tablet');
    expect(deviceOf(await storyOf(1), 'ben', 'tablet')).toMatchObject({ state: 'behind', node: 'node-1' });
    const next = await sync(tablet, tabletToken);
    expect(deviceOf(await storyOf(1), 'ben', 'tablet')).toMatchObject({ state: 'pulled', told: { seq: inbox - 1 } });
    await sync(tablet, next);
    expect(deviceOf(await storyOf(1), 'ben', 'tablet')).toMatchObject({ state: 'applied', told: { seq: inbox } });
  });

  it('says who has read it, and when, and that the device has it', async () => {
    expect((await phoneOfBen.ask({ t: 'read', conversation: talk, seq }))['t']).toBe('read');
    const story = await storyOf(2, '?user=ben');
    expect(story.recipients).toEqual({ count: 3, delivered: 1, read: 1 });
    expect(story.members).toMatchObject([{ user: 'ben', delivered: true, read: true }]);
    expect(story.members[0]?.readAt).toBeGreaterThanOrEqual(story.message.at);
    expect(deviceOf(story, 'ben', 'phone')).toMatchObject({ state: 'applied', at: story.members[0]?.readAt });
    expect((await storyOf(2, '?limit=1')).members.map(({ user }) => user)).toEqual(['ann']);
  });

  it('says which part is not known because a node does not answer', async () => {
    const owner = cluster.nodes[1];
    const cold = await storyOf(0, '', { talk, seq: 1 });
    expect(step(cold, 'sequenced')?.known).toBe('traced');
    // The third node: it owns nothing of this conversation, and held the laptop of its author.
    await cluster.nodes[2]?.kill('SIGSTOP');
    try {
      const story = await storyOf(0);
      expect(story.nodes.map(({ name, state }) => [name, state])).toEqual([
        ['node-1', 'told'],
        ['node-2', 'told'],
        ['node-3', 'silent'],
      ]);
      expect(step(story, 'committed')).toMatchObject({ known: 'traced', node: owner?.name });
      expect(deviceOf(story, 'ann', 'laptop')).toBeUndefined();
    } finally {
      await cluster.nodes[2]?.kill('SIGCONT');
    }
    await cluster.untilSpread(PARTITIONS);
    expect(deviceOf(await storyOf(0), 'ann', 'laptop')?.state).toBe('pushed');
  });

  it('is, after all nodes were started again, what is stored, and says so', async () => {
    const before = await storyOf(0);
    await cluster.nodes[1]?.restart();
    await cluster.untilSpread(PARTITIONS);
    const half = await storyOf(0);
    const restarted = (nodes: readonly string[]) => [{ code: 'restarted', nodes }];
    expect(step(half, 'accepted')).toEqual(step(before, 'accepted'));
    expect(step(half, 'sequenced')).toMatchObject({ known: 'stored', node: null, why: restarted(['node-2']) });
    for (const node of [cluster.nodes[0], cluster.nodes[2]]) await node?.restart();
    await cluster.untilSpread(PARTITIONS);

    const story = await storyOf(2);
    const why = restarted(NAMES);
    expect(story.message).toEqual(before.message);
    expect(story.steps.map(({ step: name, known, node }) => [name, known, node])).toEqual([
      ['accepted', 'not', null],
      ['routed', 'not', null],
      ['sequenced', 'stored', null],
      ['committed', 'stored', null],
      ['acked', 'not', null],
      ['diffused', 'stored', null],
    ]);
    for (const each of story.steps) expect(each.why).toEqual(why);
    expect(step(story, 'sequenced')?.at).toBe(before.message.at);
    expect(story.members.map(({ user, inbox }) => [user, inbox.known, inbox.state, inbox.seq, inbox.at])).toEqual(
      before.members.map(({ user, inbox }) => [user, 'stored', 'there', inbox.seq, null]),
    );
    expect(story.members[1]).toMatchObject({ read: true, readAt: null, devices: [] });
    // It has sent something here, so its name is stored; where it stands is not.
    expect(deviceOf(story, 'ann', 'phone')).toMatchObject({ state: 'author', at: null, node: null });
  });
});
