import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sequenceId, generation, systemTimers, type ConversationId, type DeviceId } from '@millrace/kernel';
import {
  decodeClientFrames,
  encodeServerFrames,
  frameError,
  protocolLimits,
  subprotocols,
  type ClientFrame,
  type Encoding,
  type ServerFrame,
  type WireEntry,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import type { UnaskedFrame } from './answers.ts';
import { RawSession, type RawSessionOptions } from './raw-session.ts';
import type { SessionError } from './session-error.ts';

const connected: Omit<Extract<ServerFrame, { t: 'connected' }>, 'id'> = {
  t: 'connected',
  user: 'ada' as never,
  device: 'd' as DeviceId,
  session: 's',
  serverTime: 0,
  ackLevel: 'memory',
  inbox: { gen: generation(1), seq: sequenceId(0) },
  limits: { frameBytes: 65_536, bodyBytes: 32_768, sendWindow: 64, idleMs: 60_000 },
};

/** A server that answers as a test tells it to; by default it connects everyone and is silent then. */
class ScriptedServer {
  readonly http: Server = createServer();
  readonly #sockets = new WebSocketServer({ noServer: true });
  encoding: Encoding = 'binary';
  refuseUpgrade: string | null = null;
  answer: (frame: ClientFrame, say: (...frames: ServerFrame<WireEntry>[]) => void, socket: WebSocket) => void = () =>
    undefined;
  /** How many frames each WebSocket message held. */
  readonly joined: number[] = [];

  constructor() {
    this.http.on('upgrade', (request, socket, head) => {
      if (this.refuseUpgrade !== null) {
        socket.end(this.refuseUpgrade);
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (peer) => {
        this.encoding = peer.protocol === subprotocols.json ? 'json' : 'binary';
        peer.on('message', (data: Buffer, isBinary) => {
          this.#received(peer, isBinary ? data : data.toString('utf8'));
        });
      });
    });
  }

  #received(peer: WebSocket, data: Buffer | string): void {
    const say = (...frames: ServerFrame<WireEntry>[]): void => {
      peer.send(encodeServerFrames(frames, this.encoding));
    };
    const outcome = decodeClientFrames(data, this.encoding, protocolLimits);
    if (!outcome.ok) throw new Error(outcome.error.error.message);
    this.joined.push(outcome.value.length);
    for (const decoded of outcome.value) {
      if (!decoded.ok) throw new Error(decoded.error.message);
      const frame = decoded.value;
      if (frame.t === 'connect') {
        if (frame.token === 'good') say({ ...connected, id: frame.id });
        else say({ t: 'error', id: frame.id, ...frameError('token_expired', 'it was good until yesterday') });
      } else {
        this.answer(frame, say, peer);
      }
    }
  }

  get url(): string {
    return `ws://127.0.0.1:${String((this.http.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    for (const peer of this.#sockets.clients) peer.terminate();
    this.http.close();
    await once(this.http, 'close');
  }
}

let server: ScriptedServer;
let unasked: UnaskedFrame[];
let closes: SessionError[];
beforeEach(async () => {
  server = new ScriptedServer();
  unasked = [];
  closes = [];
  server.http.listen(0, '127.0.0.1');
  await once(server.http, 'listening');
});
afterEach(() => server.close());

const connect = (options: Partial<RawSessionOptions> = {}) =>
  RawSession.connect({
    url: server.url,
    token: 'good',
    device: 'd' as DeviceId,
    timers: systemTimers,
    onUnasked: (frame) => unasked.push(frame),
    onClose: (error) => closes.push(error),
    ...options,
  });

async function open(options: Partial<RawSessionOptions> = {}): Promise<RawSession> {
  const session = await connect(options);
  if (!session.ok) throw new Error(JSON.stringify(session.error));
  return session.value;
}

const ping = { t: 'ping' } as const;
const send = (n: number) =>
  ({ t: 'send', conversation: 'c' as ConversationId, n, sentAt: 0, type: 'text', body: 'x'.repeat(1_000) }) as const;

describe('a raw session', () => {
  it.each(['binary', 'json'] as const)(
    'speaks %s and gives each request its own answer, in any order',
    async (encoding) => {
      const waiting: number[] = [];
      server.answer = (frame, say) => {
        if (frame.t !== 'ping') return;
        waiting.push(frame.id);
        if (waiting.length === 3) say(...waiting.reverse().map((id) => ({ t: 'pong', id, serverTime: id }) as const));
      };
      const session = await open({ encoding });
      const answers = await Promise.all([ping, ping, ping].map((request) => session.request(request)));
      expect(answers.map((answer) => (answer.ok ? answer.value.serverTime - answer.value.id : null))).toEqual([
        0, 0, 0,
      ]);
      expect(new Set(answers.map((answer) => (answer.ok ? answer.value.id : 0))).size).toBe(3);
      expect(session.connected.user).toBe('ada');
      session.close();
    },
  );

  it('joins the requests of one turn into messages that the server’s limits allow', async () => {
    server.answer = (frame, say) => {
      if (frame.t === 'send') say({ t: 'error', id: frame.id, ...frameError('not_member', 'no') });
    };
    const session = await open();
    const asked = Array.from({ length: 100 }, (_, index) => session.request(send(index + 1)));
    const answers = await Promise.all(asked);
    expect(answers.every((answer) => !answer.ok && answer.error.kind === 'refused')).toBe(true);
    // The first message held the connect frame.
    expect(server.joined.slice(1).reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(server.joined.length).toBeLessThanOrEqual(4);
    session.close();
  });

  it('passes on what was not asked for', async () => {
    server.answer = (frame, say) => {
      if (frame.t === 'ping') say({ t: 'drain', deadlineMs: 5 }, { t: 'pong', id: frame.id, serverTime: 1 });
    };
    const session = await open();
    await session.request(ping);
    expect(unasked).toEqual([{ t: 'drain', deadlineMs: 5 }]);
    session.close();
  });

  it('tells every request without an answer that the connection was lost, and how to come back (S1)', async () => {
    server.answer = (_frame, _say, socket) => {
      socket.close(4201, 'expired');
    };
    const session = await open();
    const answers = await Promise.all([session.request(ping), session.request(send(1))]);
    const lost = { kind: 'lost', closeCode: 4201, reason: 'expired', reconnect: 'token' };
    expect(answers).toEqual([
      { ok: false, error: lost },
      { ok: false, error: lost },
    ]);
    expect(closes).toEqual([lost]);
    expect(session.isOpen).toBe(false);
    expect(await session.request(ping)).toEqual({ ok: false, error: lost });
  });

  it('ends when a request is not answered in time', async () => {
    const session = await open({ answerMsMax: 100 });
    const answer = await session.request(ping);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'lost', reconnect: 'backoff' } });
    expect(closes).toHaveLength(1);
  });

  it('ends when the server cannot be understood', async () => {
    server.answer = (_frame, _say, socket) => {
      socket.send(Buffer.from([1, 2, 3]));
    };
    const session = await open();
    expect(await session.request(ping)).toMatchObject({ ok: false, error: { kind: 'lost', closeCode: 3000 } });
  });

  it('that the server refuses says what it said', async () => {
    expect(await connect({ token: 'old' })).toMatchObject({
      ok: false,
      error: { kind: 'refused', error: { code: 'token_expired', retry: 'token' } },
    });
    expect(closes).toEqual([]);
  });

  it.each([
    ['429 Too Many Requests', 'Retry-After: 3', { code: 'rate_limited', retry: 'later', retryAfterMs: 3_000 }],
    ['503 Service Unavailable', 'X-None: 0', { code: 'overloaded', retry: 'later' }],
    ['403 Forbidden', 'X-None: 0', { code: 'forbidden', retry: 'never' }],
  ])('whose socket is refused by HTTP %s knows what to do', async (status, header, error) => {
    server.refuseUpgrade = `HTTP/1.1 ${status}\r\n${header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    expect(await connect()).toMatchObject({ ok: false, error: { kind: 'refused', error } });
  });

  it('to nowhere is lost, and may be tried again', async () => {
    const gone = new ScriptedServer();
    gone.http.listen(0, '127.0.0.1');
    await once(gone.http, 'listening');
    const { url } = gone;
    await gone.close();
    expect(await connect({ url })).toMatchObject({ ok: false, error: { kind: 'lost', reconnect: 'backoff' } });
  });

  it('that is closed here is over at once', async () => {
    const session = await open();
    const asked = session.request(ping);
    session.close();
    expect(await asked).toMatchObject({ ok: false, error: { kind: 'lost', reconnect: 'never' } });
    expect(closes).toHaveLength(1);
  });
});
