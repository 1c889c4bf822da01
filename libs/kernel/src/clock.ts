/**
 * Time as it is handed in. `nowMs` is wall time and is for display only (I10); everything that decides
 * anything uses `monotonicMs`.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970. May jump in either direction. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start, never backward. */
  monotonicMs(): number;
}

/** A pending callback. Cancelling twice, or after it ran, does nothing. */
export type Cancel = () => void;

/** Timers as they are handed in, so that a simulation can run them on its own clock. */
export interface Timers {
  /** Runs `callback` once, `delayMs` from now at the earliest. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Runs `callback` once, after the I/O of this turn of the event loop. */
  soon(callback: () => void): void;
  /** Called before an event is handled, by whoever handles many: runs what `soon` has put off for too long. */
  catchUp?(): void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** The global timers of the platform, described as little as this file needs of them. */
interface PlatformTimers {
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
  setImmediate?: (callback: () => void) => unknown;
}

const platform = globalThis as unknown as PlatformTimers;

export const systemTimers: Timers = {
  after(delayMs, callback) {
    const handle = platform.setTimeout(callback, delayMs) as { unref?: () => void };
    handle.unref?.();
    return () => {
      platform.clearTimeout(handle);
    };
  },
  soon(callback) {
    if (platform.setImmediate === undefined) platform.setTimeout(callback, 0);
    else platform.setImmediate(callback);
  },
};
