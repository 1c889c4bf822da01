import { silentTrace } from '@millrace/messaging';
import { err, ok, seededRandom, type Clock, type DeviceId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type ClientFrame, type Encoding, type FrameError } from '@millrace/protocol';
import type { TokenVerifier, VerifiedToken } from '../auth/token-verifier.ts';
import { gatewayConfigSchema, type GatewaySettings } from '../gateway-config.ts';
import { Gateway } from '../gateway.ts';
import type { GatewayLog } from '../log.ts';
import { silentGatewayObserver } from '../observer.ts';
import { ManualTime } from './manual-time.ts';
import { MemoryChat } from './memory-chat.ts';
import { MemoryEngine, type MemoryPeer } from './memory-engine.ts';

/** A log that only tests read. */
export class MemoryLog implements GatewayLog {
  readonly lines: string[] = [];
  #write(level: string, message: string, fields: object = {}): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  }
  info(message: string, fields?: object): void {
    this.#write('info', message, fields);
  }
  warn(message: string, fields?: object): void {
    this.#write('warn', message, fields);
  }
  error(message: string, fields?: object): void {
    this.#write('error', message, fields);
  }
}

/** Tokens of tests: `user`, `user@device`, `user until +seconds`; `bad` and `old` are refused. */
export class PlainVerifier implements TokenVerifier {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  verify(token: string): Promise<Result<VerifiedToken, FrameError>> {
    if (token === 'defect') return Promise.reject(new Error('a bug'));
    if (token === 'bad') return Promise.resolve(err(frameError('unauthenticated', 'the token is not valid')));
    if (token === 'old') return Promise.resolve(err(frameError('token_expired', 'the token has expired')));
    const [name = '', seconds] = token.split(' until +');
    const [user = '', device] = name.split('@');
    return Promise.resolve(
      ok({
        user: user as UserId,
        device: device === undefined ? null : (device as DeviceId),
        expiresAtMs: this.#clock.nowMs() + Number(seconds ?? 3_600) * 1_000,
      }),
    );
  }
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly engine: MemoryEngine;
  readonly chat: MemoryChat;
  readonly time: ManualTime;
  /** Whether the node is cut off from its store while another one serves. */
  readonly cutOff: { is: boolean };
  readonly log: MemoryLog;
  /** What the observer was told: `closed 4100`, `resync slow`, `limited`. */
  readonly observed: string[];
  /** What the trace was told. */
  readonly traced: string[];
  /** The sessions that it was told of. */
  readonly sessions: ReadonlySet<string>;
  /** A socket that has connected. */
  readonly connect: (token: string, device?: string, encoding?: Encoding) => Promise<MemoryPeer>;
}

export const connectFrame = (token: string, device = 'phone'): ClientFrame => ({
  t: 'connect',
  id: 1,
  token,
  device: device as DeviceId,
});

/** A gateway over an engine, a chat and a time that are all in the hands of the test. */
export async function testGateway(settings: GatewaySettings = {}): Promise<TestGateway> {
  const time = new ManualTime();
  const engine = new MemoryEngine();
  const chat = new MemoryChat();
  const log = new MemoryLog();
  const observed: string[] = [];
  const traced: string[] = [];
  const sessions = new Set<string>();
  const cutOff = { is: false };
  const started = await Gateway.start({
    config: gatewayConfigSchema.parse(settings),
    engine,
    chat,
    verifier: new PlainVerifier(time),
    ackLevel: 'memory',
    isCutOff: () => cutOff.is,
    clock: time,
    timers: time,
    random: seededRandom(1),
    log,
    trace: {
      ...silentTrace,
      accepted: ({ user, device }, session, { conversation, seq, duplicate }, receivedMs) => {
        traced.push(
          `accepted ${conversation} ${String(seq)} of ${user}/${device} at ${String(receivedMs)}${duplicate ? ' again' : ''}`,
        );
        sessions.add(session);
      },
      shown: (conversation, topic, { from, to }, count) => {
        traced.push(`${conversation} ${String(from)}-${String(to)} to ${topic}, ${String(count)} sessions`);
      },
      connected: ({ user, device }, session) => {
        sessions.add(session);
        const note = (what: string): void => {
          traced.push(`${user}/${device} ${what}`);
        };
        note('connected');
        return {
          pushed: ({ prev, seq }) => {
            note(`pushed ${String(prev)}>${String(seq)}`);
          },
          resynced: (reason) => {
            note(`resynced ${reason}`);
          },
          listens: (topic) => {
            note(`listens to ${topic}`);
          },
          unlistens: (topic) => {
            note(`listens to ${topic} no more`);
          },
          passedOver: () => {
            note('was passed over');
          },
          ended: () => {
            note('ended');
          },
        };
      },
    },
    observer: {
      ...silentGatewayObserver,
      socketClosed: (code) => observed.push(`closed ${String(code)}`),
      rateLimited: () => observed.push('limited'),
      resynced: (reason) => observed.push(`resync ${reason}`),
    },
  });
  if (!started.ok) throw new Error(started.error.message);
  return {
    gateway: started.value,
    engine,
    chat,
    time,
    cutOff,
    log,
    observed,
    traced,
    sessions,
    async connect(token, device, encoding) {
      const peer = engine.open(encoding);
      peer.says(connectFrame(token, device));
      await time.settle();
      if (peer.got('connected').length !== 1) throw new Error(JSON.stringify(peer.frames));
      return peer;
    },
  };
}
