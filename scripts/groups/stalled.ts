import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocketConstructor } from '@millrace/client';
import { nodeWebSocket } from '@millrace/client/node';
import type { ConversationId, UserId } from '@millrace/kernel';
import type { RawSession } from '@millrace/raw-client';
import type { WebSocket } from 'ws';
import { residentBytesOf } from '../../apps/bench/src/measure/proc-stat.ts';
import { until } from '../faults/until.ts';
import { GroupDevice } from './group-device.ts';
import type { GroupStage } from './group-stage.ts';
import { HeldTimers } from './held-timers.ts';
import { inTurns } from './in-turns.ts';
import { asked, connectedAs } from './visitor.ts';

export interface StalledShape {
  readonly members: number;
  /** Devices that have the group open and read. */
  readonly listeners: number;
  /** Likewise, until they stop: half of them read again, the other half connect again. */
  readonly stalled: number;
  /** While they stand still; a quarter of that before. */
  readonly messages: number;
  readonly messagesPerSecond: number;
}

export interface StalledResult {
  /** From the send to the event on a device that reads, milliseconds: median and 99 %. */
  readonly before: readonly [number, number];
  readonly meanwhile: readonly [number, number];
  /** Of the node, before anybody stood still and at the end of it. */
  readonly residentBytes: readonly [number, number];
  /** What the server could not get rid of, had it kept it. */
  readonly unreadBytes: number;
  /** Of those that stood still: messages that they had when they began to read again, at most. */
  readonly hadAtMost: number;
  /** Until the last was complete, from when they read or connected again. */
  readonly completeAfterMs: { readonly resumed: number; readonly reconnected: number };
  readonly wrong: readonly string[];
}

export const STALLED_SEND_BUFFER_BYTES = 262_144;
const CONVERSATION = 'busy' as ConversationId;
/** What the heap of a node goes up and down by, whoever reads. */
const HEAP_SWAY_BYTES = 64 * 1_048_576;
const BODY = 'x'.repeat(30_000);
const AT_ONCE = 50;
const COMPLETE_MS_MAX = 120_000;
/** Others may be later by so much, or by so many times, whichever is more: machines are busy at times. */
const LATER_MS_MAX = 1_000;
const LATER_TIMES_MAX = 4;
const member = (index: number): UserId => `listener-${String(index).padStart(5, '0')}` as UserId;

/**
 * A device whose socket can be left unread, and cut. While it is, its timers stand still, too, as those of a process that is not run:
 * else it would notice that it hears nothing, and connect again.
 */
interface Stalling {
  readonly device: GroupDevice;
  readonly sockets: WebSocket[];
  readonly timers: HeldTimers;
}

/** Devices that have a large group open and stop to read, and what that does to the node and to the others. */
export class Stalled {
  readonly #stage: GroupStage;
  readonly #shape: StalledShape;
  readonly #say: (text: string) => void;
  readonly #wrong: string[] = [];
  readonly #listeners: GroupDevice[] = [];
  readonly #stalling: Stalling[] = [];
  #latenciesMs: number[] = [];
  #n = 0;
  #last = 0;

  constructor(stage: GroupStage, shape: StalledShape, say: (text: string) => void) {
    this.#stage = stage;
    this.#shape = shape;
    this.#say = say;
  }

  async run(): Promise<StalledResult> {
    try {
      return await this.#run();
    } finally {
      await Promise.all(
        [...this.#listeners, ...this.#stalling.map(({ device }) => device)].map((one) => one.client.close()),
      );
    }
  }

  async #run(): Promise<StalledResult> {
    const { listeners, stalled, messages } = this.#shape;
    const sender = await this.#setUp();
    const all = [...this.#listeners, ...this.#stalling.map(({ device }) => device)];
    await this.#flood(sender, Math.ceil(messages / 4));
    await this.#untilComplete(all);
    const before = this.#spread();
    const pid = this.#stage.nodes[0]?.pid ?? 0;
    const warm = residentBytesOf(pid) ?? 0;
    this.#say(
      `${String(listeners)} read, ${String(stalled)} stop; before that ${before.map((ms) => ms.toFixed(1)).join(' and ')} ms`,
    );

    for (const { sockets, timers } of this.#stalling) {
      sockets.at(-1)?.pause();
      timers.hold();
    }
    await this.#flood(sender, messages);
    await this.#untilComplete(this.#listeners);
    const meanwhile = this.#spread();
    const full = residentBytesOf(pid) ?? 0;
    const hadAtMost = Math.max(...this.#stalling.map(({ device }) => device.got.last));
    if (hadAtMost >= this.#last)
      this.#wrong.push('a device that stands still has got everything: it does not stand still');
    // A buffer is over its bound by one message at most.
    const growthMax = HEAP_SWAY_BYTES + stalled * 2 * STALLED_SEND_BUFFER_BYTES;
    if (full - warm > growthMax) this.#wrong.push(`the node has grown by ${String(full - warm)} bytes`);
    const [, late] = meanwhile;
    if (late > Math.max(LATER_MS_MAX, LATER_TIMES_MAX * before[1])) {
      this.#wrong.push(`others are told after ${late.toFixed(0)} ms, and after ${before[1].toFixed(0)} ms before`);
    }
    this.#say(`meanwhile ${meanwhile.map((ms) => ms.toFixed(1)).join(' and ')} ms`);

    const half = Math.ceil(stalled / 2);
    const again = async (these: readonly Stalling[], how: (socket: WebSocket) => void): Promise<number> => {
      const beganMs = performance.now();
      for (const { sockets, timers } of these) {
        for (const socket of sockets.slice(-1)) how(socket);
        timers.release();
      }
      await this.#untilComplete(these.map(({ device }) => device));
      return performance.now() - beganMs;
    };
    const resumed = await again(this.#stalling.slice(0, half), (socket) => {
      socket.resume();
    });
    const reconnected = await again(this.#stalling.slice(half), (socket) => {
      socket.terminate();
    });
    // They are told again as it comes.
    await this.#flood(sender, 10);
    await this.#untilComplete(all);
    for (const { user, got } of all) this.#wrong.push(...got.wrong.map((text) => `${user}: ${text}`));
    sender.close();
    const unreadBytes = stalled * messages * BODY.length;
    const completeAfterMs = { resumed: Math.round(resumed), reconnected: Math.round(reconnected) };
    return {
      before,
      meanwhile,
      residentBytes: [warm, full],
      unreadBytes,
      hadAtMost,
      completeAfterMs,
      wrong: this.#wrong,
    };
  }

  async #setUp(): Promise<RawSession> {
    const { members, listeners, stalled } = this.#shape;
    const onMessage = ({ body }: { readonly body: string | Uint8Array }): void => {
      const sentMs = Number(String(body).split(' ', 1)[0]);
      if (sentMs > 0) this.#latenciesMs.push(performance.now() - sentMs);
    };
    const users = Array.from({ length: listeners + stalled }, (_, index) => member(index));
    const connected = await inTurns(users, AT_ONCE, async (user, index) => {
      const timers = new HeldTimers();
      if (index < listeners) {
        const device = await GroupDevice.connect(this.#stage, user, CONVERSATION, { onMessage });
        return { device, sockets: [], timers };
      }
      const sockets: WebSocket[] = [];
      const webSocket = class extends (nodeWebSocket as unknown as typeof WebSocket) {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          sockets.push(this);
        }
      } as unknown as WebSocketConstructor;
      const device = await GroupDevice.connect(this.#stage, user, CONVERSATION, { webSocket, timers });
      return { device, sockets, timers };
    });
    this.#listeners.push(...connected.slice(0, listeners).map(({ device }) => device));
    this.#stalling.push(...connected.slice(listeners));
    const sender = await connectedAs(this.#stage, 'speaker' as UserId, 'sender');
    const all = Array.from({ length: members - 1 }, (_, index) => member(index));
    await asked(sender, { t: 'create', kind: 'group', conversation: CONVERSATION, members: all.slice(0, 199) });
    for (let at = 199; at < all.length; at += 200) {
      await asked(sender, { t: 'invite', conversation: CONVERSATION, users: all.slice(at, at + 200) });
    }
    const knows = ({ device: { client } }: Stalling): boolean =>
      client.conversationList().some(({ diffusion }) => diffusion === 'read');
    await until('all know the group', () => connected.every(knows), COMPLETE_MS_MAX);
    await inTurns(connected, AT_ONCE, ({ device: { client } }) => client.openConversation(CONVERSATION));
    return sender;
  }

  /** Messages at a steady pace, each with the time at which it was sent. */
  async #flood(sender: RawSession, count: number): Promise<void> {
    const beganMs = performance.now();
    const answers: Promise<unknown>[] = [];
    for (let index = 0; index < count; index += 1) {
      await sleep(Math.max(0, beganMs + (1_000 * index) / this.#shape.messagesPerSecond - performance.now()));
      this.#n += 1;
      const body = `${performance.now().toFixed(3)} ${BODY}`;
      const send = { t: 'send', conversation: CONVERSATION, n: this.#n, sentAt: this.#n, type: 'text', body } as const;
      answers.push(
        asked(sender, send).then(({ seq }) => {
          this.#last = Math.max(this.#last, seq);
        }),
      );
      // No more than the window of a device.
      if (answers.length >= 32) await answers.shift();
    }
    await Promise.all(answers);
  }

  async #untilComplete(devices: readonly GroupDevice[]): Promise<void> {
    const isComplete = ({ got }: GroupDevice): boolean => got.last === this.#last && !got.text.includes(' ');
    await until('all have everything', () => devices.every(isComplete), COMPLETE_MS_MAX).catch(() => {
      for (const { user, got } of devices.filter((one) => !isComplete(one))) {
        this.#wrong.push(`${user} has ${got.text}, and not everything up to ${String(this.#last)}`);
      }
    });
  }

  #spread(): readonly [number, number] {
    const sorted = this.#latenciesMs.sort((left, right) => left - right);
    this.#latenciesMs = [];
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    return [at(0.5), at(0.99)];
  }
}
