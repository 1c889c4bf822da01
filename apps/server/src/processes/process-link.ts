import cluster, { type Worker } from 'node:cluster';
import { invariant } from '@millrace/kernel';
import type { Registry } from 'prom-client';
import type { ServerAddresses } from '../compose.ts';
import { isOurs, type FromProcess, type StartOrder, type ToProcess } from './process-messages.ts';

/** What a server needs to know when others like it share its ports. */
export interface SharedPorts extends Pick<StartOrder, 'isFirst' | 'advises'> {
  /** Tells that no client is left here. Resolves when those that stop together have none either. */
  drained(): Promise<void>;
  /** The metrics of this process, for the others to show, too. */
  measures(registry: Registry): void;
  /** Rejects when the parent cannot tell. */
  metricsOfAll(): Promise<string>;
}

/** A process's own end of the link to its parent. Without the parent the process ends at once, by Node's doing. */
export class ProcessLink {
  readonly #worker: Worker;
  readonly #asked = new Map<number, (text: string | null) => void>();
  #questions = 0;
  #registry: Registry | null = null;
  #goOn: () => void = () => undefined;
  #onStop: (why: string) => void = () => undefined;
  #stopWhy: string | null = null;
  readonly #started: Promise<StartOrder>;

  /** Only in a process that was started by a {@link Supervisor}. */
  constructor() {
    const { worker } = cluster;
    invariant(worker !== undefined, 'a process without a parent has no link to it');
    this.#worker = worker;
    this.#started = new Promise((resolve) => {
      worker.on('message', (message: unknown) => {
        if (!isOurs(message)) return;
        const told = message as ToProcess;
        if (told.t === 'start') resolve(told);
        else this.#heard(told);
      });
      this.#tell({ t: 'up' });
    });
  }

  async shared(): Promise<SharedPorts> {
    const { isFirst, advises } = await this.#started;
    return {
      isFirst,
      advises,
      drained: () => this.#drained(),
      measures: (registry) => (this.#registry = registry),
      metricsOfAll: () => this.#metricsOfAll(),
    };
  }

  /** The parent may have said so before. */
  onStop(stop: (why: string) => void): void {
    this.#onStop = stop;
    if (this.#stopWhy !== null) stop(this.#stopWhy);
  }

  serving(addresses: ServerAddresses): void {
    this.#tell({ t: 'serving', addresses });
  }

  stopping(): void {
    this.#tell({ t: 'stopping' });
  }

  replaced(why: string): void {
    this.#tell({ t: 'replaced', why });
  }

  /** Resolves when the parent has it: the process may end. */
  refused(problem: string): Promise<void> {
    return new Promise((resolve) => {
      this.#worker.send({ t: 'refused', problem } satisfies FromProcess, () => {
        resolve();
      });
    });
  }

  #tell(message: FromProcess): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => undefined);
  }

  #heard(message: Exclude<ToProcess, StartOrder>): void {
    switch (message.t) {
      case 'stop':
        this.#stopWhy = message.why;
        this.#onStop(message.why);
        return;
      case 'goOn':
        this.#goOn();
        return;
      case 'measure':
        void this.#measure(message.id);
        return;
      case 'collected':
        this.#asked.get(message.id)?.(message.text);
        this.#asked.delete(message.id);
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
      this.#tell({ t: 'drained' });
    });
  }

  async #measure(id: number): Promise<void> {
    this.#tell({ t: 'measured', id, metrics: (await this.#registry?.getMetricsAsJSON()) ?? [] });
  }

  async #metricsOfAll(): Promise<string> {
    this.#questions += 1;
    const id = this.#questions;
    const text = await new Promise<string | null>((resolve) => {
      this.#asked.set(id, resolve);
      this.#tell({ t: 'collect', id });
    });
    if (text === null) throw new Error('the parent could not collect the metrics of all processes');
    return text;
  }
}
