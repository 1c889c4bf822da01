import { setTimeout as sleep } from 'node:timers/promises';
import type { Found } from '@millrace/protocol';
import { connectAs } from './read-back.ts';
import type { Question } from './searcher.ts';

/** A user may ask five times a second. */
const EVERY_MS = 250;

/** What to ask now, and what must be so of the answer; null for nothing yet. */
type Ask = () => readonly [Question, (found: Omit<Found, 't' | 'id'>) => void] | null;

/** A user who searches again and again, through whichever node there is, and takes no other refusal than that it cannot be done now. */
export class Asking {
  /** Questions that were answered. */
  answers = 0;
  /** By code. */
  readonly refused = new Map<string, number>();
  readonly #user: string;
  readonly #url: () => string;
  readonly #ask: Ask;
  #isOver = false;
  #done: Promise<void> = Promise.resolve();
  #failure: Error | null = null;

  constructor(user: string, url: () => string, ask: Ask) {
    this.#user = user;
    this.#url = url;
    this.#ask = ask;
  }

  start(): void {
    this.#done = this.#run().catch((error: unknown) => {
      this.#failure = error as Error;
    });
  }

  /** @throws what was wrong with an answer. */
  async finish(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    if (this.#failure !== null) throw this.#failure;
  }

  #goesOn(): boolean {
    return !this.#isOver;
  }

  async #run(): Promise<void> {
    while (this.#goesOn()) {
      // It is down at the moment, when it cannot be reached.
      const session = await connectAs(this.#url(), this.#user, 'asking').catch(() => null);
      while (session?.isOpen === true && this.#goesOn()) {
        const asked = this.#ask();
        if (asked !== null) {
          const [question, mustBeSo] = asked;
          const found = await session.request({ t: 'search', ...question });
          if (found.ok) {
            this.answers += 1;
            mustBeSo(found.value);
          } else if (found.error.kind === 'refused') {
            const { code } = found.error.error;
            this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
            if (code !== 'unavailable' && code !== 'rate_limited') throw new Error(JSON.stringify(found.error));
          }
        }
        await sleep(EVERY_MS);
      }
      session?.close();
      await sleep(EVERY_MS);
    }
  }
}
