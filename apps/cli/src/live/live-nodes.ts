import { setTimeout as sleep } from 'node:timers/promises';
import {
  err,
  systemRandom,
  systemTimers,
  type ConversationId,
  type DeviceId,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { RawSession, withRetries, type AnswerTo, type RequestContent, type SessionError } from '@millrace/raw-client';
import { frameError } from '@millrace/protocol';
import type { TokenSource } from '../token-source.ts';
import type { StoredConversation, StoredEntry } from './stored-check.ts';

const ATTEMPTS_MAX = 1_000;
const PAGE_MESSAGES = 1_000;
const ANSWER_MS_MAX = 15_000;

/** Where a client goes: to one node first, and to the next one whenever it must connect again. */
export class Seat {
  readonly #addresses: readonly string[];
  #at: number;

  /** @param addresses - socket addresses, at least one. */
  constructor(addresses: readonly string[], first: number) {
    this.#addresses = addresses;
    this.#at = first;
  }

  readonly next = (): string => {
    const address = this.#addresses[this.#at % this.#addresses.length] ?? '';
    this.#at += 1;
    return address;
  };
}

/** `user/tag/n` of a message that a device sent; null for all others. */
const clientMessageOf = ({ from, deviceTag, n }: Message): string | null =>
  n === 0 ? null : `${from ?? ''}/${String(deviceTag)}/${String(n)}`;

/** Reads as one user, through one node or, when that does not answer, the next. */
export class LiveReader {
  readonly #user: UserId;
  readonly #seat: Seat;
  readonly #tokenOf: TokenSource;
  readonly #untilMs: number;
  /** One that no server has seen. */
  readonly #device = `read-${systemRandom.id()}` as DeviceId;
  #session: RawSession | null = null;

  /** @param untilMs - when to give up, by the monotonic clock. */
  constructor(user: UserId, seat: Seat, tokenOf: TokenSource, untilMs: number) {
    this.#untilMs = untilMs;
    this.#user = user;
    this.#seat = seat;
    this.#tokenOf = tokenOf;
  }

  /** Repeats what was lost or put off; a refusal for good is the answer. */
  ask<Request extends RequestContent>(content: Request): Promise<Result<AnswerTo<Request>, SessionError>> {
    const untilMs = this.#untilMs;
    const policy = {
      initialMs: 50,
      maxMs: 1_000,
      random: systemRandom,
      sleep: wait,
      get attemptsMax() {
        return performance.now() < untilMs ? ATTEMPTS_MAX : 1;
      },
    };
    return withRetries(policy, async () => {
      const session = await this.#connected();
      if (!session.ok) return session;
      const answer = await session.value.request(content);
      if (!answer.ok && answer.error.kind === 'refused' && answer.error.error.retry === 'later') this.close();
      return answer;
    });
  }

  /** A conversation from its first to its last entry. */
  async readWhole(
    conversation: ConversationId,
    valueOf: (body: string | Uint8Array) => string,
  ): Promise<Result<StoredConversation, SessionError>> {
    const entries: StoredEntry[] = [];
    for (let from = 1; ;) {
      const page = await this.ask({
        t: 'history',
        conversation,
        direction: 'forward',
        from: from as SequenceId,
        limit: PAGE_MESSAGES,
      });
      if (!page.ok) return page;
      const { messages, hasMore, head } = page.value;
      for (const message of messages) {
        const { gen, seq, body } = message;
        entries.push({ gen, seq, value: valueOf(body), clientMessage: clientMessageOf(message) });
      }
      if (!hasMore) return { ok: true, value: { conversation, entries, head } };
      from = (messages.at(-1)?.seq ?? from) + 1;
    }
  }

  close(): void {
    this.#session?.close();
    this.#session = null;
  }

  async #connected(): Promise<Result<RawSession, SessionError>> {
    if (this.#session?.isOpen === true) return { ok: true, value: this.#session };
    const token = await this.#tokenOf(this.#user);
    if (!token.ok) return err({ kind: 'refused', error: frameError('forbidden', token.error) });
    const opened = await RawSession.connect({
      url: this.#seat.next(),
      token: token.value,
      device: this.#device,
      client: 'millrace-live',
      timers: systemTimers,
      answerMsMax: ANSWER_MS_MAX,
    });
    if (opened.ok) this.#session = opened.value;
    return opened;
  }
}

const wait = async (delayMs: number): Promise<void> => {
  await sleep(delayMs);
};
