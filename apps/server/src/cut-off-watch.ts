import type { Cancel, Clock, Random, Timers } from '@millrace/kernel';
import { isCutOff, type ChatNode, type Elsewhere } from '@millrace/messaging';
import type { ServerLog } from './logging.ts';

export interface CutOffWatchParts {
  readonly node: Pick<ChatNode, 'ready'> & { readonly gateways: Pick<ChatNode['gateways'], 'others'> };
  /** Whether the store answers. Never rejects. */
  readonly reachesStore: () => Promise<boolean>;
  /** Whether the server at that HTTP address says that it takes work. Answers within a second or so, and never rejects. */
  readonly isReady: (url: string) => Promise<boolean>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Pick<ServerLog, 'info' | 'warn'>;
}

const LOOK_MS = 250;
/** Others that are asked at a time, by chance: one that serves is enough. */
const ASKED_MAX = 3;
const READY_MS_MAX = 1_000;
/** How long the store may take to answer before it is taken for one that does not. */
const STORE_MS_MAX = 1_500;
/** After a turn that took long a deadline is told of before the answer that came meanwhile: that is still to be heard. */
const HEARD_MS = 50;

/** Asks over HTTP, which works without the store. */
export async function isReadyAt(url: string): Promise<boolean> {
  try {
    const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(READY_MS_MAX) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

/** An address that says every interface, as one listens to, is none to ask at. */
const canBeAsked = (url: string): boolean => url !== '' && !/^https?:\/\/(0\.0\.0\.0|\[::\])(:|\/|$)/.test(url);

/**
 * Finds out whether this node is cut off: its lease is over, the store does not answer, and another node serves
 * (`isCutOff` decides). Only a node without its lease asks anybody anything.
 */
export class CutOffWatch {
  readonly #parts: CutOffWatchParts;
  #isCutOff = false;
  #lapsedAtMs: number | null = null;
  #isStopped = false;
  #cancel: Cancel = () => undefined;

  constructor(parts: CutOffWatchParts) {
    this.#parts = parts;
    this.#lookLater();
  }

  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.timers.after(LOOK_MS, () => {
      void this.#look().then(() => {
        this.#lookLater();
      });
    });
  }

  async #look(): Promise<void> {
    const { node, clock } = this.#parts;
    if (node.ready().holdsLease) this.#lapsedAtMs = null;
    else this.#lapsedAtMs ??= clock.monotonicMs();
    const mayBecome = this.#lapsedAtMs !== null && !this.#isCutOff;
    const [reachesStore, elsewhere] = mayBecome
      ? await Promise.all([this.#reachesStore(), this.#elsewhere()])
      : [false, 'none' as const];
    // It may have the lease again by now.
    const { holdsLease } = node.ready();
    const lapsedMs = this.#lapsedAtMs === null ? 0 : clock.monotonicMs() - this.#lapsedAtMs;
    this.#becomes(isCutOff({ holdsLease, lapsedMs, reachesStore, elsewhere }, this.#isCutOff));
  }

  #becomes(is: boolean): void {
    if (is === this.#isCutOff) return;
    this.#isCutOff = is;
    const { log } = this.#parts;
    if (is) log.warn('this node has lost its lease and another one serves: clients are sent there');
    else log.info('this node has its lease again and takes clients');
  }

  #reachesStore(): Promise<boolean> {
    const { reachesStore, timers } = this.#parts;
    return new Promise((resolve) => {
      const cancel = timers.after(STORE_MS_MAX, () => {
        timers.after(HEARD_MS, () => {
          resolve(false);
        });
      });
      void reachesStore().then((does) => {
        cancel();
        resolve(does);
      });
    });
  }

  async #elsewhere(): Promise<Elsewhere> {
    const { node, isReady, random } = this.#parts;
    const others = node.gateways.others;
    const urls = others.map(({ url }) => url).filter(canBeAsked);
    if (urls.length === 0) return others.length === 0 ? 'none' : 'unknown';
    const first = Math.floor(random.fraction() * urls.length);
    const asked = [...urls.slice(first), ...urls.slice(0, first)].slice(0, ASKED_MAX);
    const answers = await Promise.all(asked.map((url) => isReady(url)));
    return answers.includes(true) ? 'serves' : 'none';
  }
}
