import { systemClock, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { decodeServerFrames, encodeClientFrames, subprotocols, type ClientFrame } from '@millrace/protocol';
import { signToken } from '@millrace/raw-client';
import { FrameSocket } from './frame-socket.ts';
import { addressFor, conversationOf, localAddressFor, type LoadPlan } from './load-plan.ts';
import { LobbyVisit } from './lobby-visit.ts';
import { scanJsonMessage } from './millrace-json.ts';
import { scanServerMessage } from './millrace-scan.ts';
import { PAYLOAD_HEAD_CHARS } from './payload.ts';
import type { Wire, WireSink } from './wire.ts';

const TOKEN_SECONDS = 24 * 3600;
/** Ids of sends are their numbers; these must not be among those under way at the same time. */
const CONNECT_ID = 0xffff_ffff;
const SHOW_ID = 0xffff_fffe;
const PING_ID = 0xffff_fffd;
const ALIVE_ID = 0xffff_fffc;
const ascii = new TextDecoder('latin1');

interface HeardText {
  readonly t?: string;
  readonly code?: string;
  readonly message?: string;
  readonly retry?: string;
  readonly retryAfterMs?: number;
  readonly reason?: string;
  readonly heads?: readonly { readonly conversation: string }[];
}

/** What a device waits to hear. */
interface Awaited {
  /** @returns whether that was the last of it. */
  hear(id: number, frame: HeardText): boolean;
  /** Told what went wrong, or null. */
  done(error: Error | null): void;
}

/** Speaks the public protocol to a Millrace server, in one of its encodings. */
export function millraceWire(plan: LoadPlan, sink: WireSink): Wire {
  const { encoding = 'binary' } = plan;
  const scan = encoding === 'binary' ? scanServerMessage : scanJsonMessage;
  const send = (socket: FrameSocket, frame: ClientFrame): void => {
    const encoded = encodeClientFrames([frame], encoding);
    if (typeof encoded === 'string') socket.sendText(encoded);
    else socket.send(encoded);
  };
  const awaited = new Map<number, Awaited>();
  const visits = plan.lobbies === null ? [] : plan.users.map((_, user) => new LobbyVisit(plan, user));
  const notice = (user: number, id: number, payload: Uint8Array): void => {
    const frame = JSON.parse(Buffer.from(payload).toString('utf8')) as HeardText;
    if (visits[user]?.hear(id, frame) === true) return;
    const waiting = awaited.get(user);
    if (waiting?.hear(id, frame) === true) {
      awaited.delete(user);
      waiting.done(null);
    }
    if (frame.t === 'error' && id === SHOW_ID) {
      waiting?.done(new Error(`user ${String(user)} may not show the conversation: ${frame.message ?? ''}`));
    } else if (frame.t === 'error') {
      const mayRetry = frame.retry === 'later' || frame.retry === 'in_order';
      sink.refused(user, id, `${frame.code ?? ''}: ${frame.message ?? ''}`, mayRetry);
    } else if (frame.t === 'resync') {
      sink.broken(user, `the server says resync (${frame.reason ?? ''}): this connection was too slow`);
    }
  };
  return {
    async open(user) {
      let connected: (error: Error | null) => void = () => undefined;
      const answer = new Promise<void>((resolve, reject) => {
        connected = (error) => {
          if (error === null) resolve();
          else reject(error);
        };
      });
      // Of a connection that is not taken at all, what `open` rejects with tells more.
      answer.catch(() => undefined);
      let isConnected = false;
      const scanSink = {
        acked: (id: number) => {
          sink.acked(user, id);
        },
        entry: (bytes: Uint8Array, end: number) => {
          sink.delivered(user, bytes, end - plan.payloadBytes);
        },
        control: (bytes: Uint8Array, from: number, end: number) => {
          visits[user]?.control(bytes, from, end);
        },
        json: (id: number, payload: Uint8Array) => {
          notice(user, id, payload);
        },
      };
      const handlers = {
        message(bytes: Uint8Array) {
          if (isConnected) {
            scan(bytes, scanSink);
            return;
          }
          const frames = decodeServerFrames(
            encoding === 'binary' ? bytes : Buffer.from(bytes).toString('utf8'),
            encoding,
          );
          const [first] = frames.ok ? frames.value : [];
          isConnected = first?.t === 'connected';
          connected(isConnected ? null : new Error(`not connected: ${JSON.stringify(first)}`));
        },
        closed(reason: string) {
          connected(new Error(reason));
          awaited.get(user)?.done(new Error(reason));
          visits[user]?.failed(reason);
          sink.broken(user, reason);
        },
      };
      const localAddress = localAddressFor(plan, user);
      const socket = await FrameSocket.open(addressFor(plan, user), subprotocols[encoding], handlers, localAddress);
      const name = plan.users[user] as UserId;
      const issuedAtSeconds = Math.floor(systemClock.nowMs() / 1000);
      const token = signToken(plan.secret, { user: name, issuedAtSeconds, seconds: TOKEN_SECONDS });
      const device = plan.device as DeviceId;
      send(socket, { t: 'connect', id: CONNECT_ID, token, device, client: 'bench' });
      await answer;
      return socket;
    },
    show(user, socket, isShown) {
      const { shows } = plan;
      if (shows === null) return Promise.resolve();
      const conversation = shows.conversation as ConversationId;
      let [isAnswered, stands] = [false, !isShown || !shows.isRead];
      const shown = new Promise<void>((resolve, reject) => {
        awaited.set(user, {
          hear: (id, { t, heads }) => {
            isAnswered ||= t === 'ok' && id === SHOW_ID;
            // Of a head that was told before, it is not known what came behind it.
            stands ||=
              isAnswered && t === 'heads' && heads?.some((head) => head.conversation === conversation) === true;
            return isAnswered && stands;
          },
          done: (error) => {
            if (error === null) resolve();
            else reject(error);
          },
        });
      });
      const frame = { t: isShown ? 'open' : 'close', id: SHOW_ID, conversation } as const;
      send(socket, frame);
      return shown;
    },
    lobbies: (user, socket, step) => visits[user]?.take(step, socket) ?? Promise.resolve(),
    alive(user, socket) {
      const answered = new Promise<void>((resolve, reject) => {
        awaited.set(user, {
          hear: (id, { t }) => t === 'pong' && id === ALIVE_ID,
          done: (error) => {
            if (error === null) resolve();
            else reject(error);
          },
        });
      });
      send(socket, { t: 'ping', id: ALIVE_ID });
      return answered;
    },
    ping(socket) {
      send(socket, { t: 'ping', id: PING_ID });
    },
    write(socket, index, id, payload) {
      const stream = plan.streams[index];
      if (stream === undefined) return;
      const to = conversationOf(stream, id);
      const body = ascii.decode(payload);
      const frame = { t: 'send', id, conversation: to.id, n: to.n, sentAt: id, type: 'text', body } as const;
      send(socket, frame);
    },
  };
}

/** What a body must at least hold. */
export const payloadBytesMin = PAYLOAD_HEAD_CHARS;
