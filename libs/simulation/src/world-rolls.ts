import { err, ok, seededRandom, type ConversationId, type Random } from '@millrace/kernel';
import type { Archiver, RollJobs } from '@millrace/messaging';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

const REFUSED = 0.03;
const FORGOTTEN = 0.02;
const TWICE = 0.05;
const STALLED_MS = 4_000;
const ATTEMPTS_MAX = 6;

interface Worker {
  readonly process: SimulatedProcess;
  readonly archiver: Pick<Archiver, 'rollHere' | 'add'>;
}

/** The queue of rolls of a world: it hands each to some node, now and then to two, later, or, having lost it, never. */
export class WorldRolls {
  readonly #world: World;
  readonly #random: Random;
  #workers: Worker[] = [];
  #waiting = 0;
  /** Rolls that a node has done. */
  done = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#random = seededRandom(seed ^ 0x726f6c6c);
  }

  /** The queue as this process reaches it. */
  reach(process: SimulatedProcess): RollJobs {
    const answered = <T>(answer: () => T): Promise<T> =>
      new Promise((resolve) => {
        process.timers.after(1 + this.#upTo(20), () => {
          resolve(answer());
        });
      });
    return {
      addRoll: (conversations) =>
        answered(() => {
          if (this.#chance(REFUSED)) return err('the queue does not answer');
          if (!this.#chance(FORGOTTEN)) this.#later(conversations, 1, this.#upTo(100));
          return ok(null);
        }),
      rollsWaiting: () => answered(() => (this.#chance(REFUSED) ? null : this.#waiting)),
    };
  }

  works(worker: Worker): void {
    this.#workers.push(worker);
  }

  #later(conversations: readonly ConversationId[], attempt: number, delayMs: number): void {
    this.#waiting += 1;
    this.#world.time.timers.after(delayMs, () => {
      this.#waiting -= 1;
      this.#work(conversations, attempt);
      if (this.#chance(TWICE)) this.#work(conversations, ATTEMPTS_MAX);
    });
  }

  #work(conversations: readonly ConversationId[], attempt: number): void {
    this.#workers = this.#workers.filter(({ process }) => !process.isDead);
    const worker = this.#workers[this.#upTo(this.#workers.length - 1)];
    const again = (): void => {
      if (attempt < ATTEMPTS_MAX) this.#later(conversations, attempt + 1, 100 * 2 ** attempt);
      else
        for (const conversation of conversations)
          worker?.process.enter(() => {
            worker.archiver.add(conversation);
          });
    };
    if (worker === undefined) {
      again();
      return;
    }
    let isOver = false;
    const over = (isDone: boolean): void => {
      if (isOver) return;
      isOver = true;
      if (isDone) this.done += 1;
      else again();
    };
    this.#world.time.timers.after(STALLED_MS, () => {
      over(false);
    });
    worker.process.enter(() => {
      void worker.archiver.rollHere(conversations).then((why) => {
        over(why === null);
      });
    });
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability;
  }

  /** A whole number from 0 on. */
  #upTo(most: number): number {
    return this.#random.uint32() % (Math.max(0, most) + 1);
  }
}
