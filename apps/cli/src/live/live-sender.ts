import { setTimeout as sleep } from 'node:timers/promises';
import { systemTimers, type ConversationId, type DeviceId, type Result, type UserId } from '@millrace/kernel';
import { RawSession, type AnswerTo, type RequestContent, type SessionError } from '@millrace/raw-client';
import type { TokenSource } from '../token-source.ts';
import type { QueuedSend, SendQueue } from './send-queue.ts';

type Send = Extract<RequestContent, { t: 'send' }>;
export type SendAck = AnswerTo<Send>;

export interface LiveSenderOptions {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly conversation: ConversationId;
  readonly queue: SendQueue;
  readonly nextAddress: () => string;
  readonly tokenOf: TokenSource;
  readonly textOf: (number: number) => string;
  readonly onAcked: (ack: SendAck, number: number) => void;
  /** Sent again, unless the refusal is for good. */
  readonly onRefused: (code: string, isFinal: boolean) => void;
  readonly onConnection: () => void;
}

const CONNECT_MS_MAX = 1_500;
const RETRY_MS = 25;
const WATCH_MS = 100;
/** While answers are due: a node that says nothing for so long is asked whether it is there, … */
const SILENCE_MS_MAX = 500;
/** … and given up when it does not say so for so long. */
const PING_MS_MAX = 1_000;

/**
 * One device that sends as docs/protocol.md tells a client to: it repeats, in order, what was not answered on every new
 * connection, and goes to another node when its own says that it goes, cannot serve, or says nothing at all. From one
 * that says that it goes it takes its leave only when it is connected elsewhere. Over the raw protocol, without the SDK.
 */
export class LiveSender {
  readonly #options: LiveSenderOptions;
  #turn: SenderTurn | null = null;
  /** The connection that takes the place of one whose node goes, from when it was told to. */
  #successor: Promise<SenderTurn | null> | null = null;
  #isFinishing = false;
  #isGivenUp = false;
  #onConnected: () => void = () => undefined;
  /** Resolves when it is connected for the first time. */
  readonly connected = new Promise<void>((resolve) => {
    this.#onConnected = resolve;
  });

  constructor(options: LiveSenderOptions) {
    this.#options = options;
  }

  /** Sends what was written since. */
  pump(): void {
    this.#turn?.pump();
  }

  /** Resolves after `finish`, once everything is acknowledged, or after `giveUp`. */
  async run(): Promise<void> {
    while (!this.#isDone()) {
      const opening = this.#successor ?? this.#open();
      this.#successor = null;
      const turn = await opening;
      if (turn === null) {
        await sleep(RETRY_MS);
        continue;
      }
      this.#options.onConnection();
      this.#onConnected();
      this.#turn = turn;
      await turn.serve(() => this.#isDone());
      this.#turn = null;
    }
    (await this.#successor)?.close();
  }

  async #open(): Promise<SenderTurn | null> {
    const turn = new SenderTurn(this.#options, () => {
      this.#successor ??= this.#succeed(turn);
    });
    return (await turn.connect()) ? turn : null;
  }

  async #succeed(turn: SenderTurn): Promise<SenderTurn | null> {
    const successor = await this.#open();
    if (successor === null) turn.leave();
    else turn.close();
    return successor;
  }

  finish(): void {
    this.#isFinishing = true;
    this.#turn?.pump();
  }

  giveUp(): void {
    this.#isGivenUp = true;
    this.#turn?.pump();
  }

  #isDone(): boolean {
    return this.#isGivenUp || (this.#isFinishing && this.#options.queue.size === 0);
  }
}

/** One connection of a sender. */
class SenderTurn {
  readonly #options: LiveSenderOptions;
  readonly #onDrain: () => void;
  #session: RawSession | null = null;
  #isDone: () => boolean = () => false;
  #over: () => void = () => undefined;
  #isOver = false;
  #inFlight = 0;
  /** Something was refused: nothing new is sent before all of it is answered, and sent again. */
  #isRefused = false;
  /** The counter that the server waits for. */
  #expected: number | null = null;
  #isLeaving = false;
  #heardMs = 0;
  #pingedMs: number | null = null;

  /** @param onDrain - the node goes: another connection is wanted. Requests go on being answered meanwhile. */
  constructor(options: LiveSenderOptions, onDrain: () => void) {
    this.#options = options;
    this.#onDrain = onDrain;
  }

  async connect(): Promise<boolean> {
    const { user, device, nextAddress, tokenOf } = this.#options;
    const token = await tokenOf(user);
    if (!token.ok) return false;
    const opening = RawSession.connect({
      url: nextAddress(),
      token: token.value,
      device,
      client: 'millrace-live',
      timers: systemTimers,
      onUnasked: (frame) => {
        this.#heardMs = performance.now();
        if (frame.t === 'drain') this.#onDrain();
      },
      onClose: () => {
        this.#end();
      },
    });
    const opened = await Promise.race([opening, sleep(CONNECT_MS_MAX).then(() => null)]);
    if (opened?.ok === true) {
      this.#session = opened.value;
      return opened.value.isOpen;
    }
    // Should it open after all, nobody uses it.
    if (opened === null) void opening.then((late) => (late.ok ? late.value.cut() : undefined));
    return false;
  }

  /** Resolves when the connection is over, or everything is done. */
  async serve(isDone: () => boolean): Promise<void> {
    // Over before its turn came.
    if (this.#isOver) return;
    this.#isDone = isDone;
    this.#heardMs = performance.now();
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    const watch = setInterval(() => {
      this.#watch();
    }, WATCH_MS);
    for (const send of this.#options.queue.unanswered()) this.#send(send);
    this.pump();
    await over;
    clearInterval(watch);
  }

  /** Ends when everything that was sent has its answer; nothing new is sent. */
  leave(): void {
    this.#isLeaving = true;
    this.pump();
  }

  /** Ends now: what has no answer is sent again on the next connection. */
  close(): void {
    this.#session?.close();
    this.#end();
  }

  pump(): void {
    if (this.#isOver) return;
    if (this.#isDone() || (this.#isLeaving && this.#inFlight === 0)) {
      this.close();
      return;
    }
    if (this.#isLeaving || this.#isRefused) return;
    for (const send of this.#options.queue.take()) this.#send(send);
  }

  #send({ n, number, ...follows }: QueuedSend): void {
    if (this.#session === null) return;
    const { conversation, textOf } = this.#options;
    this.#inFlight += 1;
    const send: Send = { t: 'send', conversation, n, ...follows, sentAt: number, type: 'text', body: textOf(number) };
    void this.#session.request(send).then((outcome) => {
      this.#answered(n, outcome);
    });
  }

  #answered(n: number, outcome: Result<SendAck, SessionError>): void {
    const { queue, onAcked, onRefused } = this.#options;
    this.#inFlight -= 1;
    if (!outcome.ok && outcome.error.kind === 'lost') return;
    this.#heardMs = performance.now();
    if (outcome.ok) {
      const number = queue.acked(n);
      if (number !== null) onAcked(outcome.value, number);
    } else if (outcome.error.kind === 'refused') {
      const { code, retry, expected } = outcome.error.error;
      onRefused(code, retry !== 'later' && retry !== 'in_order');
      this.#isRefused = true;
      if (expected !== undefined) this.#expected = expected;
      // Another node may be able to.
      if (code === 'unavailable' || code === 'draining') this.#isLeaving = true;
    }
    if (this.#isRefused && this.#inFlight === 0) void this.#again();
    else this.pump();
  }

  /** Everything has its answer, and some were refused. */
  async #again(): Promise<void> {
    await sleep(RETRY_MS);
    if (this.#isOver) return;
    const { queue } = this.#options;
    if (this.#expected !== null) queue.expects(this.#expected);
    this.#expected = null;
    this.#isRefused = false;
    if (!this.#isLeaving) for (const send of queue.unanswered()) this.#send(send);
    this.pump();
  }

  #watch(): void {
    const nowMs = performance.now();
    if (this.#session === null || this.#inFlight === 0) return;
    if (this.#pingedMs !== null) {
      if (nowMs - Math.max(this.#heardMs, this.#pingedMs) > PING_MS_MAX) this.#session.cut();
      return;
    }
    if (nowMs - this.#heardMs < SILENCE_MS_MAX) return;
    this.#pingedMs = nowMs;
    void this.#session.request({ t: 'ping' }).then(() => {
      this.#heardMs = performance.now();
      this.#pingedMs = null;
    });
  }

  #end(): void {
    this.#isOver = true;
    this.#over();
  }
}
