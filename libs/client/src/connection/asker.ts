import type { Cancel, Random, Timers } from '@millrace/kernel';
import { MillraceError, refusedBy } from '../errors.ts';
import { backoffMs, type BackoffLimits } from './backoff.ts';
import type { Connection } from './connection.ts';
import type { AnswerFor, Outcome, Question } from './requests.ts';

/** Questions of one client that are asked at the same time; the rest wait their turn (I9). */
const IN_FLIGHT_MAX = 64;
/** Questions that wait; one more is refused (I9). */
const WAITING_MAX = 10_000;

export interface AskerOptions {
  readonly timeoutMs: number;
  readonly backoff: BackoffLimits;
  readonly timers: Timers;
  readonly random: Random;
}

interface Job {
  readonly start: (landed: () => void) => void;
  readonly reject: (error: MillraceError) => void;
}

/**
 * Asks until there is an answer: over lost connections, and again when the server says `later`. Only for requests
 * that may be repeated: all but `send`, which the outbox sees to.
 */
export class Asker {
  readonly #connection: Connection;
  readonly #options: AskerOptions;
  readonly #jobs = new Set<Job>();
  #waiting: Job[] = [];
  #inFlight = 0;

  constructor(connection: Connection, options: AskerOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Rejects with a {@link MillraceError}: the server's refusal, `timeout` or `closed`. */
  ask<Q extends Question>(question: Q): Promise<AnswerFor<Q>> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= WAITING_MAX) {
        reject(new MillraceError('overloaded', `${String(WAITING_MAX)} requests wait already`, 'later'));
        return;
      }
      const { timers, timeoutMs } = this.#options;
      let failures = 0;
      let pause: Cancel | null = null;
      const finish = (): void => {
        cancel();
        pause?.();
        this.#jobs.delete(job);
        this.#waiting = this.#waiting.filter((other) => other !== job);
      };
      const job: Job = {
        start: (landed) => {
          this.#connection.ask(question, (outcome: Outcome<Q>) => {
            landed();
            if (!this.#jobs.has(job)) return;
            if (outcome === null) this.#wait(job);
            else if (outcome.t !== 'error') {
              finish();
              // The table of requests compared the kind of the answer with the question's.
              resolve(outcome);
            } else if (outcome.retry === 'later' || outcome.retry === 'token') {
              if (outcome.retry === 'token') void this.#connection.refreshToken();
              const { backoff, random } = this.#options;
              const delayMs = Math.max(outcome.retryAfterMs ?? 0, backoffMs(failures, backoff, random));
              failures += 1;
              pause = timers.after(delayMs, () => {
                this.#wait(job);
                this.pump();
              });
            } else {
              finish();
              reject(refusedBy(outcome));
            }
          });
        },
        reject: (error) => {
          finish();
          reject(error);
        },
      };
      const cancel = timers.after(timeoutMs, () => {
        const text = `no answer to ${question.t} within ${String(timeoutMs)} ms; it may have happened`;
        job.reject(new MillraceError('timeout', text, 'later'));
      });
      this.#jobs.add(job);
      this.#wait(job);
      this.pump();
    });
  }

  /** Asks what waits, as far as there is a connection and room. */
  pump(): void {
    while (this.#connection.ready && this.#inFlight < IN_FLIGHT_MAX) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#inFlight += 1;
      job.start(() => {
        this.#inFlight -= 1;
        // Not from within the answer of another one: the connection may be on its way out.
        queueMicrotask(() => {
          this.pump();
        });
      });
    }
  }

  /** Nothing will be answered any more. */
  close(reason: string): void {
    for (const { reject } of [...this.#jobs]) reject(new MillraceError('closed', reason, 'later'));
  }

  #wait(job: Job): void {
    this.#waiting.push(job);
  }
}
