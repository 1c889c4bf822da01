import { pickEngine, type EngineServer } from '@millrace/gateway';
import {
  generation,
  sequenceId,
  systemTimers,
  utf8,
  type ConversationId,
  type DeviceId,
  type UserId,
} from '@millrace/kernel';
import {
  decodeClientFrames,
  encodeEntry,
  encodeServerFrames,
  protocolLimits,
  subprotocols,
  WireEntry,
  type ClientFrame,
  type ConversationSummary,
  type MessageType,
  type ServerFrame,
} from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { DeviceLogin, type LoginOutcome } from './device-login.ts';
import type { DevicePlan } from './login-plan.ts';
import { newPayload, writePayload } from './payload.ts';

const BODY_BYTES = 40;
const conversation = 'tea' as ConversationId;
const gen = generation(1);

function anEntry(seq: number, stream: number, n: number, type: MessageType = 'text'): WireEntry {
  const payload = newPayload(BODY_BYTES);
  writePayload(payload, stream, n, 0);
  const body =
    type === 'control' ? utf8('{"control":"joined","users":["a long list of users, as there may be"]}') : payload;
  const fields = { msgNo: n, at: 1, sentAt: 1, from: 'ann' as UserId, deviceTag: 7, n, countable: true };
  return new WireEntry(gen, sequenceId(seq), encodeEntry({ ...fields, type, body }));
}

const summary: ConversationSummary = {
  ...{ conversation, kind: 'group', title: 'Tea', peer: null, member: true, diffusion: 'write' },
  ...{ gen, seq: sequenceId(9), lastAt: 1, msgNo: 8, readSeq: sequenceId(1), readMsgNo: 0, own: 0, unread: 8 },
};

const synced = (id: number, messages: readonly WireEntry[], hasMore: boolean): ServerFrame<WireEntry> => ({
  ...{ t: 'synced', id, tooLong: false, regressed: false, hasMore, token: `token-${String(id)}` },
  inbox: { gen, seq: sequenceId(9) },
  conversations: [{ summary, messages }],
});

const connected = (id: number): ServerFrame<WireEntry> => ({
  ...{ t: 'connected', id, user: 'bob' as UserId, device: 'd' as DeviceId, session: 's', serverTime: 0 },
  ackLevel: 'memory',
  inbox: { gen, seq: sequenceId(0) },
  limits: { frameBytes: 65_536, bodyBytes: 32_768, sendWindow: 64, idleMs: 60_000 },
});

let server: EngineServer | null = null;
afterEach(() => server?.close());

/** A server that answers what is asked of it, after `connect`, as the test says. */
async function serverThat(answer: (frame: ClientFrame) => ServerFrame<WireEntry>): Promise<string> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const engine = pickEngine('ws', systemTimers, silent);
  if (!engine.ok) throw new Error(engine.error);
  const listening = await engine.value.listen<object>(
    {
      ...{ host: '127.0.0.1', port: 0, shared: false, maxFrameBytes: 65_536, maxSendBufferBytes: 1_000_000 },
      ...{ handshakeMs: 5_000, closeMs: 500 },
    },
    {
      onUpgrade: () => ({ accept: true, subprotocol: subprotocols.binary, context: {} }),
      onOpen: () => undefined,
      onMessage(socket, data) {
        const decoded = decodeClientFrames(data, 'binary', protocolLimits);
        if (!decoded.ok) throw new Error(decoded.error.error.message);
        for (const frame of decoded.value) {
          if (!frame.ok) throw new Error(frame.error.message);
          const told = frame.value.t === 'connect' ? connected(frame.value.id) : answer(frame.value);
          socket.send(encodeServerFrames([told], 'binary'), true);
        }
      },
      onDrain: () => undefined,
      onDropped: () => undefined,
      onClose: () => undefined,
    },
  );
  if (!listening.ok) throw new Error(listening.error.message);
  server = listening.value;
  return `ws://127.0.0.1:${String(server.port)}/`;
}

const planFor = (websocket: string, by: DevicePlan['by'], limit: number): DevicePlan => ({
  ...{
    websocket,
    jwt: 'token',
    device: 'd',
    syncToken: 'kept',
    by,
    limit,
    payloadBytes: BODY_BYTES,
    localAddress: null,
  },
  missed: [{ stream: 3, conversation, firstSeq: 5, messages: 4 }],
});

async function loginWith(pages: readonly (readonly WireEntry[])[]): Promise<LoginOutcome> {
  const tokens: (string | undefined)[] = [];
  const websocket = await serverThat((frame) => {
    if (frame.t !== 'sync') throw new Error(`asked for ${frame.t}`);
    tokens.push(frame.token);
    return synced(frame.id, pages[tokens.length - 1] ?? [], tokens.length < pages.length);
  });
  const login = DeviceLogin.run(planFor(websocket, 'sync', 2));
  const outcome = await login.outcome;
  login.close();
  expect(tokens[0]).toBe('kept');
  expect(new Set(tokens).size).toBe(pages.length);
  return outcome;
}

describe('a device of the load that logs in', () => {
  const whole = [1, 2, 3, 4].map((n) => anEntry(4 + n, 3, n));

  it('takes answer after answer, each by the token of the one before, and counts what it has missed', async () => {
    const outcome = await loginWith([[anEntry(4, 0, 0, 'control'), ...whole.slice(0, 2)], whole.slice(2)]);
    expect(outcome).toMatchObject({ messages: 4, answers: 2, missing: 0, duplicated: 0, gaps: 0 });
    expect(outcome.doneMs).toBeGreaterThanOrEqual(outcome.connectedMs);
  });

  it('sees a message that comes twice', async () => {
    const outcome = await loginWith([whole.slice(0, 2), whole.slice(1)]);
    expect(outcome).toMatchObject({ messages: 4, missing: 0, duplicated: 1, gaps: 0 });
  });

  it('sees a message that is left out, and one that is lacking in the end', async () => {
    expect(await loginWith([[...whole.slice(0, 1), ...whole.slice(2)]])).toMatchObject({ missing: 0, gaps: 1 });
    expect(await loginWith([whole.slice(0, 3)])).toMatchObject({ messages: 3, missing: 1, gaps: 0 });
  });

  it('sees a message that stands at a seq that is not its own', async () => {
    const moved = whole.map((entry, at) => (at === 3 ? anEntry(20, 3, 4) : entry));
    expect(await loginWith([moved])).toMatchObject({ messages: 4, gaps: 1 });
  });

  it('asks for ranges side by side when it knows where the conversations stand', async () => {
    const asked: (readonly [number, number])[] = [];
    const websocket = await serverThat((frame) => {
      if (frame.t !== 'history') throw new Error(`asked for ${frame.t}`);
      const from = Number(frame.from);
      asked.push([from, frame.limit ?? 0]);
      // The second page lacks its only message.
      const messages = from === 5 ? whole.slice(0, 3) : [];
      return { t: 'page', id: frame.id, conversation, messages, hasMore: false, head: { gen, seq: sequenceId(8) } };
    });
    const login = DeviceLogin.run(planFor(websocket, 'history', 3));
    const outcome = await login.outcome;
    login.close();
    expect(asked).toEqual([
      [5, 3],
      [8, 1],
    ]);
    expect(outcome).toMatchObject({ messages: 3, answers: 2, missing: 1, gaps: 1 });
  });

  it('fails when the connection is refused or the server refuses for good', async () => {
    const websocket = await serverThat(({ t, ...frame }) => {
      const id = 'id' in frame ? frame.id : 0;
      return { t: 'error', id, code: 'bad_request', message: `no ${t} here`, retry: 'never' };
    });
    await expect(DeviceLogin.run(planFor(websocket, 'sync', 2)).outcome).rejects.toThrow('no sync here');
    await server?.close();
    await expect(DeviceLogin.run(planFor(websocket, 'sync', 2)).outcome).rejects.toThrow('ECONNREFUSED');
  });
});
