import { MillraceError, type MillraceClient } from '@millrace/client';
import { nodeClient } from '@millrace/client/node';
import { systemClock, type ConversationId, type UserId } from '@millrace/kernel';
import { setTimeout as sleep } from 'node:timers/promises';
import { Latency } from '../measure/latency.ts';
import { userToken } from '../workloads/user-sessions.ts';
import type { CrowdCommand, CrowdPlan, CrowdResult, CrowdTally, ExpectedRange } from './crowd-plan.ts';
import { HeardEntries } from './heard-entries.ts';
import { pace, type Pace } from './pace.ts';
import { ageAt, newPayload, writePayload } from './payload.ts';

const OPEN_AT_ONCE = 16;
const CACHED_MESSAGES = 20;
const FINISH_MS_MAX = 60_000;
const POLL_MS = 20;
const FAULTS_MAX = 20;

interface Device {
  readonly client: MillraceClient;
  readonly heard: HeardEntries;
  /** Whether the conversation was shown, or is about to be. */
  isShown: boolean;
  /** When the messages were sent that are not acknowledged yet, monotonic milliseconds, by number. */
  readonly waiting: Map<number, number>;
}

/** Many devices over the real client library, in one conversation that they come into and go out of; some write. */
export class CrowdLoad {
  #plan: CrowdPlan | null = null;
  readonly #devices: Device[] = [];
  readonly #payload: { bytes: Uint8Array } = { bytes: new Uint8Array(0) };
  readonly #ack = new Latency();
  readonly #deliver = new Latency();
  readonly #faults: string[] = [];
  #sent = 0;
  #acked = 0;
  #delivered = 0;
  #writing: Pace | null = null;
  #ackMsMax = 0;
  #pauseMsMax = 0;
  #lastAckMs = 0;

  async carryOut(command: CrowdCommand): Promise<unknown> {
    switch (command.op) {
      case 'open':
        return this.#open(command.plan);
      case 'write':
        return this.#write(command.writers, command.perSecond);
      case 'tally':
        return this.#tally();
      case 'finish':
        return this.#finish(command.expected);
    }
  }

  #fault(text: string): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(text);
  }

  async #open(plan: CrowdPlan): Promise<null> {
    this.#plan = plan;
    this.#payload.bytes = newPayload(plan.payloadBytes);
    const users = plan.users.entries();
    const work = async (): Promise<void> => {
      for (const [index, user] of users) this.#devices[index] = await this.#connect(plan, index, user as UserId);
    };
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, work));
    return null;
  }

  async #connect({ websockets, secret, conversation }: CrowdPlan, index: number, user: UserId): Promise<Device> {
    const client = nodeClient({
      url: websockets[index % websockets.length] ?? '',
      token: userToken(secret, user),
      clientName: 'bench',
      cachedMessages: CACHED_MESSAGES,
    });
    const device: Device = { client, heard: new HeardEntries(), isShown: false, waiting: new Map() };
    client.on('message', ({ conversation: of, message }) => {
      if (of !== conversation) return;
      device.heard.heard(message.seq);
      if (message.type !== 'text' || typeof message.body !== 'string') return;
      this.#delivered += 1;
      this.#deliver.record(ageAt(Buffer.from(message.body, 'latin1'), 0, systemClock.monotonicMs() * 1_000));
    });
    client.on('conversation', (summary) => {
      if (summary.conversation !== conversation || device.isShown || !summary.member) return;
      device.isShown = true;
      client.openConversation(conversation as ConversationId).catch((error: unknown) => {
        // Removed again before it was answered: nothing is to be shown.
        device.isShown = false;
        if (!(error instanceof MillraceError)) throw error;
      });
    });
    client.on('gap', ({ after, to }) => {
      this.#fault(`user ${String(index)} was not told of ${String(after + 1)} to ${String(to)}`);
    });
    client.on('state', (state, reason) => {
      if (state === 'closed' || state === 'offline') this.#fault(`user ${String(index)} is ${state}: ${reason}`);
    });
    await client.connect();
    return device;
  }

  async #write(writers: number, perSecond: number): Promise<null> {
    this.#writing?.stop();
    this.#writing = null;
    const isIdle = (): boolean => this.#devices.slice(writers).every(({ waiting }) => waiting.size === 0);
    while (!isIdle()) await sleep(POLL_MS);
    if (writers === 0) return null;
    // From here on it is a pause when nothing is acknowledged.
    this.#lastAckMs = systemClock.monotonicMs();
    this.#writing = pace(perSecond, (_due, before) => {
      const index = before % writers;
      const device = this.#devices[index];
      if (device !== undefined) void this.#say(index, device);
    });
    return null;
  }

  async #say(index: number, { client, waiting }: Device): Promise<void> {
    const { bytes } = this.#payload;
    const sentMs = systemClock.monotonicMs();
    this.#sent += 1;
    const number = this.#sent;
    writePayload(bytes, index, number, sentMs * 1_000);
    waiting.set(number, sentMs);
    try {
      await client.send(this.#plan?.conversation as ConversationId, Buffer.from(bytes).toString('latin1'));
      const nowMs = systemClock.monotonicMs();
      this.#acked += 1;
      this.#ack.record((nowMs - sentMs) * 1_000);
      this.#ackMsMax = Math.max(this.#ackMsMax, nowMs - sentMs);
      this.#pauseMsMax = Math.max(this.#pauseMsMax, nowMs - this.#lastAckMs);
      this.#lastAckMs = nowMs;
    } catch (error) {
      this.#fault(`user ${String(index)} may not write: ${error instanceof Error ? error.message : String(error)}`);
    }
    waiting.delete(number);
  }

  #tally(): CrowdTally {
    const nowMs = systemClock.monotonicMs();
    const oldestMs = Math.min(nowMs, ...this.#devices.flatMap(({ waiting }) => [...waiting.values()]));
    const ackMsMax = Math.max(this.#ackMsMax, nowMs - oldestMs);
    const pauseMsMax = this.#writing === null ? this.#pauseMsMax : Math.max(this.#pauseMsMax, nowMs - this.#lastAckMs);
    this.#ackMsMax = 0;
    this.#pauseMsMax = 0;
    return { sent: this.#sent, acked: this.#acked, ackMsMax, pauseMsMax };
  }

  async #finish(expected: readonly ExpectedRange[]): Promise<CrowdResult> {
    const untilMs = systemClock.monotonicMs() + FINISH_MS_MAX;
    const hasAll = ({ user, to }: ExpectedRange): boolean => (this.#devices[user]?.heard.last ?? 0) >= to;
    while (!expected.every(hasAll) && systemClock.monotonicMs() < untilMs) await sleep(POLL_MS);
    let [lost, duplicated, gaps] = [0, 0, 0];
    for (const { user, from, to } of expected) {
      const check = this.#devices[user]?.heard.check(from, to) ?? { lost: to + 1 - from, duplicated: 0, gaps: 0 };
      lost += check.lost;
      duplicated += check.duplicated;
      gaps += check.gaps;
      if (check.lost + check.duplicated + check.gaps > 0) {
        this.#fault(`user ${String(user)}, of ${String(from)} to ${String(to)}: ${JSON.stringify(check)}`);
      }
    }
    // What is closed says so; that is no fault.
    const faults = [...this.#faults];
    await Promise.all(this.#devices.map(({ client }) => client.close()));
    return {
      sent: this.#sent,
      acked: this.#acked,
      delivered: this.#delivered,
      lost,
      duplicated,
      gaps,
      ack: this.#ack.encode(),
      deliver: this.#deliver.encode(),
      faults,
    };
  }
}
