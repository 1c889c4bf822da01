import { setTimeout as sleepMs } from 'node:timers/promises';
import { systemClock, systemRandom, systemTimers, type DeviceId, type Result, type UserId } from '@millrace/kernel';
import {
  RawSession,
  describeSessionError,
  signToken,
  withRetries,
  type AnswerTo,
  type RequestContent,
  type SessionError,
} from '@millrace/raw-client';

import type { AckLevel } from '../options.ts';
import type { Target } from '../processes/server-process.ts';

const AT_ONCE = 16;
const TOKEN_SECONDS = 24 * 3600;

const retry = {
  initialMs: 50,
  maxMs: 2_000,
  attemptsMax: 20,
  random: systemRandom,
  sleep: (delayMs: number) => sleepMs(delayMs),
};

/** Does a job for each of the items, 16 of them at a time. */
export async function inParallel<T>(items: readonly T[], job: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const work = async (): Promise<void> => {
    for (const item of rest) await job(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** A token that outlives any run. */
export function userToken(secret: string, user: UserId): string {
  const issuedAtSeconds = Math.floor(systemClock.nowMs() / 1000);
  return signToken(secret, { user, issuedAtSeconds, seconds: TOKEN_SECONDS });
}

/** Asks the server as one user; throws when it refuses for good. */
export type Ask = <Request extends RequestContent>(content: Request) => Promise<AnswerTo<Request>>;

/** Sessions of users of a server under test, to set it up and to ask it what is there. The users take turns on its nodes. */
export class UserSessions {
  readonly #websockets: readonly string[];
  readonly #secret: string;
  readonly #ackLevel: AckLevel;
  readonly #device = `bench-${systemRandom.id()}` as DeviceId;
  #turn = 0;

  /** A server that acknowledges at another level than was asked for is refused: the report would say what is not so. */
  constructor({ websockets, secret, ackLevel }: Pick<Target, 'websockets' | 'secret' | 'ackLevel'>) {
    this.#websockets = websockets;
    this.#secret = secret;
    this.#ackLevel = ackLevel;
  }

  /** Opens a session, does the job, and closes it. */
  async as<T>(user: UserId, job: (ask: Ask) => Promise<T>): Promise<T> {
    const valueOf = <V>(outcome: Result<V, SessionError>): V => {
      if (outcome.ok) return outcome.value;
      throw new Error(`${user}: ${describeSessionError(outcome.error)}`);
    };
    const token = userToken(this.#secret, user);
    this.#turn += 1;
    const url = this.#websockets[this.#turn % this.#websockets.length] ?? '';
    const session = valueOf(
      await withRetries(retry, () => RawSession.connect({ url, token, device: this.#device, timers: systemTimers })),
    );
    try {
      const told = session.connected.ackLevel;
      if (told !== this.#ackLevel) {
        throw new Error(
          `the server acknowledges at the level "${told}": give --ack ${told}, or set MILLRACE_ACK there`,
        );
      }
      return await job(async (content) => valueOf(await withRetries(retry, () => session.request(content))));
    } finally {
      session.close();
    }
  }
}
