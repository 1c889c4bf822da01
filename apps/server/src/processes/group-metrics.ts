import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import type { Timers } from '@millrace/kernel';

/** A process that takes longer is left out. */
const ANSWER_MS_MAX = 1_000;

interface Question {
  readonly answers: object[][];
  pending: number;
  readonly done: () => void;
}

/**
 * The metrics of all processes as one text: each process's own series with the label `process`, which its registry adds,
 * and what the parent knows of them.
 */
export class MetricsOfAll {
  readonly #timers: Timers;
  readonly #own = new Registry();
  readonly #serving: Gauge<'process'>;
  readonly #ended: Counter<'process'>;
  readonly #questions = new Map<number, Question>();
  #asked = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
    const registers = [this.#own];
    this.#serving = new Gauge({
      name: 'millrace_process_serving',
      help: 'Whether this process serves: 1, or 0 while it starts, drains, or waits to be started again.',
      labelNames: ['process'],
      registers,
    });
    this.#ended = new Counter({
      name: 'millrace_process_ended_total',
      help: 'How often this process ended and was to be started again.',
      labelNames: ['process'],
      registers,
    });
  }

  serving(process: string, isServing: boolean): void {
    this.#serving.set({ process }, isServing ? 1 : 0);
    this.#ended.inc({ process }, 0);
  }

  ended(process: string): void {
    this.#ended.inc({ process });
  }

  /** What a process answered to the question of that number; too late, it is dropped. */
  measured(id: number, metrics: readonly object[]): void {
    const question = this.#questions.get(id);
    if (question === undefined) return;
    question.answers.push([...metrics]);
    question.pending -= 1;
    if (question.pending === 0) question.done();
  }

  /** @param ask - sends each process the question of a number. */
  async text(ask: readonly ((id: number) => void)[]): Promise<string> {
    this.#asked += 1;
    const id = this.#asked;
    const answers: object[][] = [await this.#own.getMetricsAsJSON()];
    await new Promise<void>((done) => {
      const cancel = this.#timers.after(ANSWER_MS_MAX, done);
      const finish = (): void => {
        cancel();
        done();
      };
      this.#questions.set(id, { answers, pending: ask.length, done: finish });
      for (const one of ask) one(id);
      if (ask.length === 0) finish();
    });
    this.#questions.delete(id);
    return AggregatorRegistry.aggregate(answers).metrics();
  }
}
