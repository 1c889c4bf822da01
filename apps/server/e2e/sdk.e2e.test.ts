import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStorage, nodeClient } from '@millrace/client/node';
import type { MillraceClient, MillraceClientOptions } from '@millrace/client';
import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { CheckingRelay } from '@millrace/raw-client/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkedWebSocket } from './support/checked-web-socket.ts';
import { loadableEngines } from './support/engines.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { buildSender, SenderProcess, type Acked } from './support/sdk-process.ts';
import { tokenEndingIn, tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const BOB = 'bob' as UserId;
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe.each(loadableEngines)('the SDK against the real server, engine %s', (engine) => {
  const redis = testRedis();
  const open: MillraceClient[] = [];
  const senders: SenderProcess[] = [];
  const relays: CheckingRelay[] = [];
  let millrace: MillraceProcess;
  let directory: string;

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, { MILLRACE_SOCKET_ENGINE: engine });
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-sdk-'));
  });
  afterEach(async () => {
    await Promise.all([...senders.splice(0).map((each) => each.kill()), ...open.splice(0).map((each) => each.close())]);
    rmSync(directory, { recursive: true, force: true });
    const relayed = relays.splice(0);
    await Promise.all(relayed.map((each) => each.close()));
    expect(relayed.flatMap((each) => each.takeFrameCheck().problems)).toEqual([]);
  });
  afterAll(async () => {
    expect(await millrace.stop()).toBe(0);
  });

  const clientOf = (user: string, options: Partial<MillraceClientOptions> = {}): MillraceClient => {
    const client = nodeClient({
      ...{ url: millrace.socketUrl, token: () => tokenFor(user), webSocket: checkedWebSocket },
      reconnect: { initialMs: 20, maxMs: 200 },
      ...options,
    });
    open.push(client);
    return client;
  };

  /** A group of the user and bob, made by a device of its own. */
  const newGroup = async (user: string): Promise<ConversationId> => {
    const client = clientOf(user);
    await client.connect();
    return (await client.create({ kind: 'group', members: [BOB] })).conversation;
  };

  /** What stands in the conversation, as bob reads it: the bodies by seq. */
  const stored = async (conversation: ConversationId): Promise<ReadonlyMap<number, string>> => {
    const session = await connectAs(millrace.socketUrl, BOB, 'reader');
    const messages = await readAll(session, conversation);
    session.close();
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(messages.length));
    return new Map(messages.flatMap(({ seq, type, body }) => (type === 'text' ? [[seq, String(body)]] : [])));
  };

  /** The bodies of the messages that a device's file holds in its outbox. */
  const outboxOf = async (file: string): Promise<readonly string[]> => {
    const storage = fileStorage(file);
    const all = await storage.load();
    await storage.close?.();
    return [...all].flatMap(([key, value]) =>
      key.startsWith('o:') ? [(JSON.parse(value) as { readonly body: string }).body] : [],
    );
  };

  it('a process that is killed while it sends goes on where its outbox was: nothing twice, nothing lost (I4)', async () => {
    const script = await buildSender(directory);
    const relay = await CheckingRelay.start(() => millrace.socketUrl);
    relays.push(relay);
    const conversation = await newGroup('ann');
    const [file, token] = [join(directory, 'device'), await tokenFor('ann')];
    const [rounds, count] = [5, 1_000];
    const acked: Acked[] = [];
    const kept = new Set<string>();
    for (let round = 1; round <= rounds; round += 1) {
      const sender = new SenderProcess(script, { url: relay.url, token, file, conversation, round, count });
      senders.push(sender);
      if (round < rounds) {
        // Amid its sends, a little further each time; once the server goes down under it as well.
        await until('some are acked', () => sender.acked.length > round * 20);
        if (round === 2) await millrace.kill('SIGKILL');
        await sender.kill();
        if (round === 2) await millrace.restart();
        for (const body of await outboxOf(file)) kept.add(body);
      } else {
        await sender.ended();
        expect(sender.isDone).toBe(true);
      }
      expect(sender.refused).toEqual([]);
      acked.push(...sender.acked);
    }
    expect(await outboxOf(file)).toEqual([]);
    const { problems, checkedByName } = relay.takeFrameCheck();
    expect(problems).toEqual([]);
    expect(checkedByName['server ack']).toBeGreaterThanOrEqual(acked.length);
    expect(kept.size, 'a kill left messages in the outbox').toBeGreaterThan(0);

    const found = await stored(conversation);
    const bodies = [...found.values()];
    expect(new Set(bodies).size).toBe(bodies.length);
    for (const { body, seq } of acked) expect([seq, found.get(seq)]).toEqual([seq, body]);
    const all = new Set(bodies);
    expect([...kept].filter((body) => !all.has(body))).toEqual([]);
    // Of each round the messages that were taken into the outbox, which are the first, in order; round after round.
    const inOrder = upTo(rounds).flatMap((round) => {
      const taken = bodies.filter((body) => body.startsWith(`${String(round)}/`)).length;
      return upTo(taken).map((index) => `${String(round)}/${String(index)}`);
    });
    expect(bodies).toEqual(inOrder);
    expect(bodies.filter((body) => body.startsWith(`${String(rounds)}/`))).toHaveLength(count);
  }, 120_000);

  it('what was sent offline waits in the file, over the end of the client, and goes out in order (I4)', async () => {
    const conversation = await newGroup('cat');
    const file = join(directory, 'device');
    const first = clientOf('cat', { storage: fileStorage(file) });
    await first.connect();
    await first.send(conversation, '1');
    await millrace.kill('SIGKILL');
    await until('the client knows that it is offline', () => first.state === 'offline');
    const unsent = upTo(20).map((index) => first.send(conversation, String(index + 1)));
    const outcomes = Promise.allSettled(unsent);
    await until('all are in the file', async () => (await outboxOf(file)).length === 20);
    await first.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(upTo(20).map(() => 'rejected'));

    await millrace.restart();
    const second = clientOf('cat', { storage: fileStorage(file) });
    await second.connect();
    const last = await second.send(conversation, '22');
    expect(last.duplicate).toBe(false);
    expect(second.outboxSize).toBe(0);
    expect([...(await stored(conversation)).values()]).toEqual(upTo(22).map(String));
    expect(second.messages(conversation).filter(({ type }) => type === 'text')).toHaveLength(22);
  });

  it('a token that expires is replaced by a fresh one, and no message is lost or repeated by it', async () => {
    const conversation = await newGroup('dan');
    let asked = 0;
    const client = clientOf('dan', {
      token: () => {
        asked += 1;
        // The first one is over before it is used.
        return asked === 1 ? tokenFor('dan', -60) : tokenEndingIn('dan', 2);
      },
    });
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const heard: string[] = [];
    client.on('message', ({ message }) => {
      if (message.type === 'text') heard.push(String(message.body));
    });
    await client.connect();
    let sent = 0;
    while (asked < 4) {
      sent += 1;
      await client.send(conversation, String(sent));
    }
    expect(states).not.toContain('closed');
    expect(states.filter((state) => state === 'live').length).toBeGreaterThanOrEqual(2);
    expect([...(await stored(conversation)).values()]).toEqual(upTo(sent).map(String));
    await until('the device has them all', () => heard.length >= sent);
    expect(heard).toEqual(upTo(sent).map(String));
  }, 60_000);

  it('a token that is not valid ends the client instead of trying forever', async () => {
    const client = clientOf('eve', { token: 'not.a.token' });
    await expect(client.connect()).rejects.toThrow('unauthenticated');
    expect(client.state).toBe('closed');
  });

  it('clients leave a server that drains, and go on with the one that follows (I1)', async () => {
    const conversation = await newGroup('fay');
    const [fay, bob] = [clientOf('fay'), clientOf('bob', { encoding: 'json' })];
    const heard: string[] = [];
    bob.on('message', (event) => {
      if (event.conversation === conversation && event.message.type === 'text') heard.push(String(event.message.body));
    });
    await Promise.all([fay.connect(), bob.connect()]);
    const reasons: string[] = [];
    fay.on('state', (state, reason) => reasons.push(`${state}: ${reason}`));
    let sent = 0;
    let stopSending = false;
    const acks: Promise<{ readonly seq: number; readonly body: string }>[] = [];
    const sending = (async () => {
      while (!stopSending) {
        sent += 1;
        const body = String(sent);
        const ack = fay.send(conversation, body).then(({ seq }) => ({ seq, body }));
        acks.push(ack);
        if (sent % 20 === 0) await ack;
      }
    })();
    await until('messages flow', () => sent > 100);
    await millrace.kill('SIGTERM');
    await millrace.restart();
    const at = sent;
    await until('messages flow again', () => sent > at + 100);
    stopSending = true;
    await sending;
    const found = await stored(conversation);
    for (const { seq, body } of await Promise.all(acks)) expect(found.get(seq)).toBe(body);
    expect([...found.values()]).toEqual(upTo(sent).map(String));
    await until('bob heard them all', () => heard.length >= sent);
    expect(heard).toEqual(upTo(sent).map(String));
    expect(reasons.filter((reason) => reason.startsWith('closed'))).toEqual([]);
    expect(reasons.some((reason) => reason.startsWith('offline'))).toBe(true);
  }, 60_000);
});
