import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { AskedPage } from './expected-history.ts';

export interface FloorThreadTask {
  readonly path: string;
}

export interface FloorQuestion {
  readonly id: number;
  readonly asked: AskedPage;
}

/** The entries of a page, one behind the other, whose memory goes over to who asked. */
export interface FloorReply {
  readonly id: number;
  readonly sizes: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The floor of a page as a program has it that must go on meanwhile: the library's calls are synchronous, so its range read is made in a
 * thread, and the entries come back in one piece of memory. Nothing is compressed or checked there either.
 */
export class FloorInThread {
  readonly #worker: Worker;
  readonly #asked = new Map<number, (found: number) => void>();
  #nextId = 1;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', ({ id, sizes }: FloorReply) => {
      this.#asked.get(id)?.(sizes.length);
      this.#asked.delete(id);
    });
  }

  /** Rejects when its table cannot be opened. */
  static async start(program: URL, task: FloorThreadTask): Promise<FloorInThread> {
    const worker = new Worker(program, { workerData: task, name: 'floor' });
    await once(worker, 'message');
    return new FloorInThread(worker);
  }

  /** @returns how many entries it found. */
  page(asked: AskedPage): Promise<number> {
    return new Promise((resolve) => {
      this.#asked.set(this.#nextId, resolve);
      this.#worker.postMessage({ id: this.#nextId, asked } satisfies FloorQuestion);
      this.#nextId += 1;
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
