import type { Cancel, Clock, Timers } from '@millrace/kernel';
import type { Terminal } from './terminal.ts';

const STATUS_MS = 200;
const LINE_MS = 5_000;
const RATE_WINDOW_MS = 5_000;
const BAR_CELLS = 24;

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${String(hours)}:${two(minutes)}:${two(whole % 60)}` : `${String(minutes)}:${two(whole % 60)}`;
}

export const grouped = (value: number): string => Math.round(value).toLocaleString('en-US');

/** @param perSecond - 0 while it is not known. */
export function progressText(done: number, total: number, perSecond: number, cells = BAR_CELLS): string {
  const fraction = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(fraction * cells);
  const bar = cells === 0 ? '' : `[${'#'.repeat(full)}${'.'.repeat(cells - full)}] `;
  const left = perSecond > 0 ? `, ${duration((total - done) / perSecond)} left` : '';
  return `${bar}${grouped(done)} of ${grouped(total)} (${String(Math.floor(fraction * 100))}%), ${grouped(perSecond)}/s${left}`;
}

/** Shows how far a long job is: a bar on a terminal, a line every few seconds elsewhere. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #what: string;
  readonly #total: number;
  /** `[when, done]` over the last few seconds, for the rate. */
  readonly #marks: [number, number][] = [];
  #done: number;
  #cancel: Cancel | undefined;

  constructor(
    { terminal, clock, timers }: { terminal: Terminal; clock: Clock; timers: Timers },
    what: string,
    total: number,
    done = 0,
  ) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#timers = timers;
    this.#what = what;
    this.#total = total;
    this.#done = done;
    this.#marks.push([clock.monotonicMs(), done]);
    this.#again();
  }

  add(count: number): void {
    this.#done += count;
  }

  #again(): void {
    this.#cancel = this.#timers.after(this.#terminal.isInteractive ? STATUS_MS : LINE_MS, () => {
      this.#show();
      this.#again();
    });
  }

  #show(): void {
    const nowMs = this.#clock.monotonicMs();
    while (this.#marks.length > 1 && nowMs - (this.#marks[0]?.[0] ?? nowMs) > RATE_WINDOW_MS) this.#marks.shift();
    const [sinceMs, before] = this.#marks[0] ?? [nowMs, this.#done];
    this.#marks.push([nowMs, this.#done]);
    const perSecond = nowMs > sinceMs ? ((this.#done - before) * 1000) / (nowMs - sinceMs) : 0;
    const text = progressText(this.#done, this.#total, perSecond, this.#terminal.isInteractive ? BAR_CELLS : 0);
    if (this.#terminal.isInteractive) this.#terminal.status(`${this.#what} ${text}`);
    else this.#terminal.note(`${this.#what} ${text}`);
  }

  end(): void {
    this.#cancel?.();
  }
}
