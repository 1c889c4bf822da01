import { setTimeout as sleep } from 'node:timers/promises';
import { systemTimers, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { RawSession } from '@millrace/raw-client';
import { CheckedWebSocket } from './checked-web-socket.ts';
import { tokenFor } from './test-tokens.ts';

/** Sends that a device has under way at most. */
export const WINDOW = 4;

export interface Acknowledged {
  readonly conversation: ConversationId;
  readonly user: UserId;
  readonly device: DeviceId;
  readonly n: number;
  readonly gen: number;
  readonly seq: number;
  readonly text: string;
  readonly level: string;
}

/**
 * One device that sends as the protocol tells a client to: it keeps its counter, repeats what was not answered, in
 * order, on every new connection, and writes down every ack. Written against the raw connection, without the SDK.
 */
export class SturdySender {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly #conversation: ConversationId;
  readonly #url: () => string;
  readonly #pauseMs: number;
  readonly acknowledged: Acknowledged[] = [];
  /** The longest time between two acks, milliseconds. */
  pauseMsMax = 0;
  /** Sends that were refused, by code: each was sent again. */
  readonly refused = new Map<string, number>();
  /** Connections that were lost or refused. */
  lost = 0;
  #ackedMs: number | null = null;
  /** Sent, and not answered yet, by counter. */
  readonly #unanswered = new Map<number, string>();
  #next = 1;
  /** The last counter that the server has accepted, once it said which it expects. */
  #last: number | null = null;
  #stopping = false;
  #done: Promise<void> = Promise.resolve();

  /** @param pauseMs - between what was acknowledged and what is sent next. */
  constructor(user: string, device: string, conversation: ConversationId, url: () => string, pauseMs = 0) {
    this.user = user as UserId;
    this.device = device as DeviceId;
    this.#conversation = conversation;
    this.#url = url;
    this.#pauseMs = pauseMs;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Stops writing new messages, and resolves when everything that was written is acknowledged. */
  async finish(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopping || this.#unanswered.size > 0) {
      const session = await RawSession.connect({
        url: this.#url(),
        token: await tokenFor(this.user),
        device: this.device,
        timers: systemTimers,
        answerMsMax: 20_000,
        webSocket: CheckedWebSocket,
      });
      if (session.ok) await this.#send(session.value);
      if (!session.ok) this.lost += 1;
      await sleep(20);
    }
  }

  async #send(session: RawSession): Promise<void> {
    for (;;) {
      if (!this.#stopping) {
        while (this.#unanswered.size < WINDOW) {
          this.#unanswered.set(this.#next, `${this.user} ${this.device} says ${String(this.#next)}`);
          this.#next += 1;
        }
      }
      if (this.#unanswered.size === 0) {
        session.close();
        return;
      }
      const outcomes = await Promise.all([...this.#unanswered].map(([n, text]) => this.#sendOne(session, n, text)));
      if (outcomes.includes('lost')) {
        this.lost += 1;
        session.cut();
        return;
      }
      const expected = outcomes.find((outcome) => typeof outcome === 'number');
      // Below all of ours: the server remembers less than it had acknowledged (its generation rose).
      if (expected !== undefined) this.#last = expected - 1;
      if (outcomes.some((outcome) => outcome !== 'acked')) await sleep(20);
      else if (this.#pauseMs > 0 && !this.#stopping) await sleep(this.#pauseMs);
    }
  }

  async #sendOne(session: RawSession, n: number, text: string): Promise<'acked' | 'later' | 'lost' | number> {
    const conversation = this.#conversation;
    const [first] = this.#unanswered.keys();
    const follows = n === first && this.#last !== null && this.#last < n - 1 ? { after: this.#last } : {};
    const send = { t: 'send' as const, conversation, n, ...follows, sentAt: n, type: 'text' as const, body: text };
    const answer = await session.request(send);
    if (answer.ok) {
      this.#unanswered.delete(n);
      if (this.#last !== null) this.#last = Math.max(this.#last, n);
      const nowMs = performance.now();
      if (this.#ackedMs !== null) this.pauseMsMax = Math.max(this.pauseMsMax, nowMs - this.#ackedMs);
      this.#ackedMs = nowMs;
      const { gen, seq, level } = answer.value;
      this.acknowledged.push({ conversation, user: this.user, device: this.device, n, gen, seq, text, level });
      return 'acked';
    }
    if (answer.error.kind === 'lost') return 'lost';
    const { retry, code, message, expected } = answer.error.error;
    if (retry !== 'later' && retry !== 'in_order')
      throw new Error(`an ordinary message was refused: ${code} ${message}`);
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
    return expected ?? 'later';
  }
}
