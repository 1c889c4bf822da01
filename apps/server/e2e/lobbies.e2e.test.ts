import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Live, Message } from '@millrace/protocol';
import type { RawSession, UnaskedFrame } from '@millrace/raw-client';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { loadableEngines } from './support/engines.ts';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { LossyWire } from './support/lossy-wire.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { askableForMemory, keptBytes, mebibytes } from './support/process-memory.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs } from './support/read-back.ts';
import { monitorRedis } from './support/redis-monitor.ts';
import { until } from './support/until.ts';

const match = '~match-1' as ConversationId;
const redis = testRedis();
const sessions: RawSession[] = [];

/** A socket of a user, with the lobby frames that it was sent. */
class Player {
  readonly lives: Live[] = [];
  readonly ended: ConversationId[] = [];
  /** Of these it was told where they stand. */
  readonly told = new Set<ConversationId>();
  session!: RawSession;
  /** Requests that came too fast, and were asked again. */
  slowedDown = 0;
  #n = 0;

  static async at(socketUrl: string, user: string, device = 'd'): Promise<Player> {
    const player = new Player();
    const take = (frame: UnaskedFrame): void => {
      if (frame.t === 'live') player.lives.push(frame);
      if (frame.t === 'heads') for (const { conversation } of frame.heads) player.told.add(conversation);
      if (frame.t === 'ended') player.ended.push(frame.conversation);
    };
    player.session = await connectAs(socketUrl, user, device, take);
    sessions.push(player.session);
    return player;
  }

  /** What comes faster than a session may ask is refused, and is asked again when the server says: as the SDK does. */
  async ask<R extends Parameters<RawSession['request']>[0]>(content: R) {
    for (;;) {
      const answer = await this.session.request(content);
      if (answer.ok) return answer.value;
      const { error } = answer;
      if (error.kind !== 'refused' || error.error.code !== 'rate_limited') {
        throw new Error(`${content.t}: ${JSON.stringify(error)}`);
      }
      this.slowedDown += 1;
      await sleep(error.error.retryAfterMs ?? 0);
    }
  }

  async refusal(content: Parameters<RawSession['request']>[0]): Promise<string> {
    const answer = await this.session.request(content);
    return answer.ok || answer.error.kind !== 'refused' ? 'granted' : answer.error.error.code;
  }

  create(conversation = match, more: object = {}) {
    const open = { joinPolicy: 'open', title: 'Match', members: [] } as const;
    return this.ask({ t: 'create', kind: 'lobby', conversation, ...open, ...more });
  }

  /** From here on all comes by `live`. */
  async join(conversation = match) {
    this.told.delete(conversation);
    const joined = await this.ask({ t: 'join', conversation });
    await until('the player is told where the lobby stands', () => this.told.has(conversation));
    return joined;
  }

  send(body: string, conversation = match) {
    this.#n += 1;
    return this.ask({ t: 'send', conversation, n: this.#n, sentAt: this.#n, type: 'text', body });
  }

  async history(from = 1, conversation = match) {
    return this.ask({ t: 'history', conversation, direction: 'forward', from: from as never, limit: 1_000 });
  }

  /** Of the lobby, as it came by `live`. */
  messages(conversation = match): readonly Message[] {
    return this.lives.filter((live) => live.conversation === conversation).flatMap(({ messages }) => [...messages]);
  }

  has(body: string): boolean {
    return this.messages().some((message) => message.body === body);
  }

  seqs(conversation = match): readonly number[] {
    return this.messages(conversation).map(({ seq }) => Number(seq));
  }
}

afterEach(() => {
  for (const session of sessions.splice(0)) session.close();
});

const lobbiesOf = async ({ httpUrl }: MillraceProcess): Promise<number> => {
  const answer = await fetch(`${httpUrl}/metrics`);
  return sumOf(parseMetrics(await answer.text()), 'millrace_lobbies');
};

describe.each(loadableEngines)('a lobby over %s', (engine) => {
  let server: MillraceProcess;
  const start = async (env: Record<string, string> = {}): Promise<void> => {
    await redis.flush();
    server = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_PARTITIONS: '4',
      MILLRACE_LOBBY_GRACE_MS: '1000',
      MILLRACE_LOBBY_EMPTY_MS: '500',
      ...env,
    });
  };
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.close();
    await server.stop();
    expect(frameCheck.take().problems).toEqual([]);
  });

  it('brings what is said to all who are in it, to who comes late from what it keeps on, and asks the store for nothing', async () => {
    await start();
    const [ann, ben] = [await Player.at(server.socketUrl, 'ann'), await Player.at(server.socketUrl, 'ben')];
    // Which lobbies of a partition are groups is asked once: by another lobby of each.
    const warm = Array.from({ length: 40 }, (_, index) => `~warm-${String(index)}` as ConversationId);
    for (const lobby of warm) await ann.create(lobby);
    for (const lobby of warm) await ann.ask({ t: 'dissolve', conversation: lobby });
    const monitor = await monitorRedis(redis.url);
    await ann.create(match, { backlog: 10 });
    await ben.join();
    for (let time = 0; time < 30; time += 1) {
      expect(await ann.send(`a ${String(time)}`)).toMatchObject({ level: 'volatile', duplicate: false });
      await ben.send(`b ${String(time)}`);
    }
    await until('both have the last one', () => ann.has('b 29') && ben.has('b 29'));
    for (const { seqs } of [{ seqs: ann.seqs() }, { seqs: ben.seqs() }]) {
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => 62 - seqs.length + 1 + index));
      expect(seqs.length).toBeGreaterThanOrEqual(58);
    }
    const cat = await Player.at(server.socketUrl, 'cat');
    const joined = await cat.join();
    const page = await cat.history();
    expect(page).toMatchObject({ first: 54, head: { gen: joined.gen, seq: 63 }, hasMore: false });
    expect(page.messages.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 10 }, (_, index) => 54 + index));
    await ann.send('the last');
    await until('cat has it by itself', () => cat.has('the last'));
    expect(monitor.count('[A-Z]+', /match-1/)).toBe(0);
    // It would be seen: as a group the conversation is stored.
    await ann.ask({ t: 'promote', conversation: match });
    expect(monitor.count('[A-Z]+', /match-1/)).toBeGreaterThan(0);
    monitor.close();
  }, 90_000);

  it('goes on for a device that comes back in time, from what it holds, or tells what is gone; who stays away leaves', async () => {
    await start();
    const [ann, ben] = [await Player.at(server.socketUrl, 'ann'), await Player.at(server.socketUrl, 'ben')];
    await ann.create(match, { backlog: 8 });
    await ben.join();
    await ann.send('before');
    await until('ben has it', () => ben.has('before'));
    const held = Number(ben.messages().at(-1)?.seq);
    ben.session.cut();
    for (let time = 0; time < 4; time += 1) await ann.send(`missed ${String(time)}`);
    const back = await Player.at(server.socketUrl, 'ben');
    expect(Number((await back.join()).seq)).toBe(held + 4);
    const page = await back.history(held + 1);
    expect(page.messages.map(({ body }) => body)).toEqual([0, 1, 2, 3].map((time) => `missed ${String(time)}`));
    back.session.cut();
    for (let time = 0; time < 20; time += 1) await ann.send(`much ${String(time)}`);
    const late = await Player.at(server.socketUrl, 'ben');
    await late.join();
    const gone = await late.history(held + 5);
    expect(gone.first).toBe(held + 4 + 20 - 8 + 1);
    expect(gone.messages.map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: 8 }, (_, index) => Number(gone.first) + index),
    );
    late.session.cut();
    await until('ben has left', () => ann.messages().some(({ body }) => String(body).includes('"left"')), 10_000);
    expect((await ann.ask({ t: 'members', conversation: match })).count).toBe(1);
  }, 90_000);

  it('keeps order as a group does, and refuses what it does not keep', async () => {
    await start({ MILLRACE_LOBBY_MEMBERS_MAX: '3', MILLRACE_LOBBIES_MAX: '2' });
    const [ann, ben] = [await Player.at(server.socketUrl, 'ann'), await Player.at(server.socketUrl, 'ben')];
    await ann.create(match, { joinPolicy: 'invite' });
    expect(await ben.refusal({ t: 'join', conversation: match })).toBe('forbidden');
    await ann.ask({ t: 'invite', conversation: match, users: ['ben' as UserId] });
    await ben.join();
    expect(await ben.refusal({ t: 'promote', conversation: match })).toBe('forbidden');
    expect(await ben.refusal({ t: 'read', conversation: match, seq: 1 as never })).toBe('forbidden');
    await ann.ask({ t: 'mute', conversation: match, users: ['ben' as UserId] });
    const text = { t: 'send', conversation: match, n: 1, sentAt: 1, type: 'text', body: 'x' } as const;
    expect(await ben.refusal(text)).toBe('muted');
    await ann.ask({ t: 'kick', conversation: match, users: ['ben' as UserId] });
    await until('ben is told', () => ben.messages().some(({ body }) => String(body).includes('"kicked"')));
    await ann.send('not for ben');
    await until('ann has it', () => ann.has('not for ben'));
    expect(ben.has('not for ben')).toBe(false);
    expect(await ben.refusal({ t: 'history', conversation: match, direction: 'forward' })).toBe('not_member');
    await ann.create('~two' as ConversationId);
    const third = { t: 'create', kind: 'lobby', conversation: '~three' as ConversationId, members: [] } as const;
    expect(await ann.refusal(third)).toBe('limit_reached');
    expect(await ann.refusal({ ...third, kind: 'group' })).toBe('bad_request');
    await ann.ask({ t: 'dissolve', conversation: match });
    await until('ann is told', () => ann.messages().some(({ body }) => String(body).includes('"dissolved"')));
    expect(await ann.refusal({ t: 'join', conversation: match })).toBe('not_found');
    expect((await ann.ask({ t: 'conversations' })).conversations).toEqual([]);
  }, 90_000);

  it('becomes a group while all write, and every device has everything once and in order', async () => {
    await start();
    const names = ['ann', 'ben', 'cat', 'dan'];
    const players = await Promise.all(names.map((name) => Player.at(server.socketUrl, name)));
    const [ann, ...others] = players;
    if (ann === undefined) throw new Error('there are four');
    await ann.create(match, { backlog: 1_000 });
    for (const other of others) await other.join();
    let isOver = false;
    const acks: { readonly seq: number; readonly level: string }[] = [];
    const writing = players.map(async (player, at) => {
      for (let time = 0; !isOver; time += 1) {
        const ack = await player.send(`${String(at)}/${String(time)}`);
        acks.push({ seq: Number(ack.seq), level: ack.level });
      }
    });
    await until('there is much', () => acks.length > 200);
    const promoted = await ann.ask({ t: 'promote', conversation: match });
    const enough = acks.length + 200;
    await until('there is more', () => acks.length > enough);
    isOver = true;
    await Promise.all(writing);
    const last = Math.max(...acks.map(({ seq }) => seq));
    const page = await readWhole(ann);
    expect(page.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: last }, (_, index) => index + 1));
    expect(new Set(page.map(({ gen }) => gen))).toEqual(new Set([promoted.gen]));
    for (const { seq, level } of acks) expect([seq, level === 'volatile']).toEqual([seq, seq < Number(promoted.seq)]);
    expect(JSON.parse(String(page[Number(promoted.seq) - 1]?.body))).toMatchObject({ control: 'promoted', first: 1 });
    const bodies = page.filter(({ type }) => type === 'text').map(({ body }) => body);
    expect(new Set(bodies).size).toBe(bodies.length);
    expect(bodies).toHaveLength(acks.length);
    for (const player of players) {
      const seqs = player.seqs();
      const before = Number(promoted.seq) - 1;
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => before - seqs.length + 1 + index));
      const synced = await player.ask({ t: 'sync' });
      expect(synced.conversations.map(({ summary }) => summary)).toMatchObject([
        { conversation: match, kind: 'group', member: true, seq: last },
      ]);
    }
    expect(await lobbiesOf(server)).toBe(0);
  }, 120_000);

  it('is one stream of messages for the SDK, through promotion, with senders writing all the while', async () => {
    await start();
    const devices = await Promise.all(['ann', 'ben', 'cat'].map((name) => device(server.socketUrl, name)));
    const [ann, ben, cat] = devices;
    if (ann === undefined || ben === undefined || cat === undefined) throw new Error('there are three');
    const changes: string[] = [];
    cat.client.on('lobby', ({ change }) => changes.push(change));
    const { conversation } = await ann.client.createLobby({ joinPolicy: 'open', backlog: 1_000 });
    await ben.client.joinLobby(conversation);
    let isOver = false;
    let sent = 0;
    const writing = devices.slice(0, 2).map(async ({ client }) => {
      while (!isOver) {
        await client.send(conversation, `message ${String((sent += 1))}`);
      }
    });
    await until('there is something before cat comes', () => sent > 60);
    await cat.client.joinLobby(conversation);
    const soon = sent + 60;
    await until('there is more', () => sent > soon);
    const promoted = await ann.client.promoteLobby(conversation);
    const enough = sent + 60;
    await until('there is more of the group', () => sent > enough);
    isOver = true;
    await Promise.all(writing);
    const { seq: last } = await cat.client.send(conversation, 'the last');
    const seqsOf = ({ heard }: Device): number[] => (heard.get(conversation) ?? []).map(({ seq }) => Number(seq));
    for (const one of devices) {
      await until('a device has all', () => seqsOf(one).at(-1) === Number(last));
      expect(seqsOf(one)).toEqual(Array.from({ length: Number(last) }, (_, index) => index + 1));
    }
    expect(changes).toEqual(['joined', 'promoted']);
    expect(Number(promoted.seq)).toBeGreaterThan(120);
    expect(cat.client.conversationList()).toMatchObject([{ conversation, kind: 'group', member: true }]);
    await Promise.all(devices.map(({ client }) => client.close()));
  }, 120_000);

  it('stays open for the SDK as a group of many members, also over a new connection', async () => {
    await start({ MILLRACE_READ_ABOVE: '3', MILLRACE_WRITE_BELOW: '2' });
    const wire = new LossyWire();
    const [ann, ben, ...others] = await Promise.all(
      ['ann', 'ben', 'cat', 'dan'].map((name) =>
        device(server.socketUrl, name, name === 'ben' ? { webSocket: wire.webSocket } : {}),
      ),
    );
    if (ann === undefined || ben === undefined) throw new Error('there are four');
    const { conversation } = await ann.client.createLobby({ joinPolicy: 'open' });
    for (const { client } of [ben, ...others]) await client.joinLobby(conversation);
    const { seq } = await ann.client.promoteLobby(conversation);
    const modeOf = ({ client }: Device) =>
      client.conversationList().find((listed) => listed.conversation === conversation)?.diffusion;
    await until('it is pulled', () => modeOf(ben) === 'read', 10_000);
    await server.restart();
    for (const { client } of [ann, ben, ...others])
      await until('it is live again', () => client.state === 'live', 20_000);
    const last = (one: Device): number => Number(one.heard.get(conversation)?.at(-1)?.seq);
    for (let time = 0; time < 3; time += 1) {
      const sent = await ann.client.send(conversation, `message ${String(time)}`);
      await until('ben has it by itself', () => last(ben) === Number(sent.seq), 10_000);
    }
    expect(wire.count('live')).toBeGreaterThan(0);
    expect(last(ben)).toBeGreaterThan(Number(seq));
    await Promise.all([ann, ben, ...others].map(({ client }) => client.close()));
  }, 120_000);

  it('leaves nothing in memory when it ends, thousands of them', async () => {
    await start(askableForMemory);
    const player = await Player.at(server.socketUrl, 'ann');
    const round = async (name: string): Promise<void> => {
      for (let at = 0; at < 1_000; at += 40) {
        const lobbies = Array.from({ length: 40 }, (_, index) => `~${name}-${String(at + index)}` as ConversationId);
        await Promise.all(lobbies.map((lobby) => player.create(lobby)));
        await Promise.all(
          lobbies.map((conversation) =>
            player.ask({ t: 'send', conversation, n: 1, sentAt: 1, type: 'text', body: 'x'.repeat(500) }),
          ),
        );
        await Promise.all(lobbies.map((conversation) => player.ask({ t: 'leave', conversation })));
      }
      await until('none is left', async () => (await lobbiesOf(server)) === 0, 10_000);
    };
    await round('a');
    await round('b');
    const before = await keptBytes(server);
    const grownMax = 8 * 1_048_576;
    for (const name of ['c', 'd', 'e']) await round(name);
    const after = await keptBytes(server);
    const slowed = `${String(player.slowedDown)} requests were too fast`;
    process.stdout.write(`kept ${mebibytes(before)} after 2,000 lobbies, ${mebibytes(after)} after 5,000; ${slowed}\n`);
    expect(after - before).toBeLessThan(grownMax);
    expect(await redis.call('KEYS', '*~*')).toEqual([]);
  }, 180_000);
});

async function readWhole(player: Player): Promise<readonly Message[]> {
  const all: Message[] = [];
  for (;;) {
    const page = await player.history(all.length + 1);
    all.push(...page.messages);
    if (!page.hasMore) return all;
  }
}

describe('lobbies over two nodes', () => {
  let cluster: MillraceCluster;
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.close();
    await cluster.stop();
    expect(frameCheck.take().problems).toEqual([]);
  });

  it('go on by themselves in a higher generation when the node dies that they lived on', async () => {
    await redis.flush();
    cluster = new MillraceCluster(redis.url, { MILLRACE_PARTITIONS: '8', MILLRACE_LEASE_MS: '2000' });
    const [first, second] = [await cluster.add(), await cluster.add()];
    await cluster.untilSpread(8);
    // All sockets are on the first; about half of the lobbies live on the second.
    const [ann, ben] = [await Player.at(first.socketUrl, 'ann'), await Player.at(first.socketUrl, 'ben')];
    const lobbies = Array.from({ length: 12 }, (_, index) => `~room-${String(index)}` as ConversationId);
    const gens = new Map<ConversationId, number>();
    for (const lobby of lobbies) {
      gens.set(lobby, Number((await ann.create(lobby)).gen));
      await ben.join(lobby);
    }
    const cat = await device(first.socketUrl, 'cat');
    const changes = new Map<ConversationId, string[]>();
    cat.client.on('lobby', ({ conversation, change }) =>
      changes.set(conversation, [...(changes.get(conversation) ?? []), change]),
    );
    for (const lobby of lobbies) {
      await cat.client.joinLobby(lobby);
      await cat.client.send(lobby, 'before');
    }
    const away = await lobbiesOf(second);
    expect(away).toBeGreaterThan(0);
    expect(away).toBeLessThan(lobbies.length);
    cluster.forget(second);
    await second.kill('SIGKILL');
    await until('all live on the first', async () => (await lobbiesOf(first)) === lobbies.length, 30_000);
    let risen = 0;
    for (const lobby of lobbies) {
      const info = await ann.ask({ t: 'history', conversation: lobby, direction: 'backward', limit: 10 });
      const gen = Number(info.head.gen);
      expect(gen).toBeGreaterThanOrEqual(gens.get(lobby) ?? 0);
      if (gen === gens.get(lobby)) continue;
      risen += 1;
      expect(info.messages.map(({ body }) => String(body))).toEqual([expect.stringContaining('"created"')]);
      await until('cat is told', () => changes.get(lobby)?.includes('restarted') === true);
      const { gen: after } = await cat.client.send(lobby, 'after');
      expect(after).toBe(gen);
      const ack = await ben.ask({
        t: 'send',
        conversation: lobby,
        n: 1,
        sentAt: 1,
        type: 'text',
        body: `on in ${lobby}`,
      });
      expect(ack).toMatchObject({ gen });
      await until('ann has it', () => ann.messages(lobby).some(({ body }) => body === `on in ${lobby}`));
      const members = await ann.ask({ t: 'members', conversation: lobby });
      expect(members.members.map(({ user, role }) => `${user} ${role}`)).toEqual([
        'ann owner',
        'ben member',
        'cat member',
      ]);
    }
    expect(risen).toBe(away);
    await cat.client.close();
  }, 120_000);
});
