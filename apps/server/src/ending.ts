import { systemClock, systemTimers } from '@millrace/kernel';
import type { ServerLog } from './logging.ts';

/** One Ctrl-C may arrive twice, from the terminal and from the program that started us. */
const SAME_SIGNAL_MS = 500;
/** Beside the draining itself: commits, partitions, Redis. */
const STOP_MS_MAX = 20_000;

/** What a process does, and ends. */
export interface Program {
  /** @returns whether all of it went as it should. */
  stop(): Promise<boolean>;
  /** For an end without a stop. */
  abandon(): void;
}

export interface EndingOptions {
  readonly signals: readonly NodeJS.Signals[];
  readonly drainMs: number;
  readonly log: ServerLog;
  /** Told once, when the stop begins. */
  readonly onStopping?: () => void;
}

/**
 * Ends the process: at the first signal with a drain, at the second one, or after the deadline, at once.
 *
 * @returns stops it, too.
 */
export function endOnSignals(
  program: Program,
  { signals, drainMs, log, onStopping }: EndingOptions,
): (why: string, exitCode: number) => void {
  let stoppingSinceMs: number | null = null;

  const endNow = (exitCode: number): never => {
    program.abandon();
    process.exit(exitCode);
  };

  const stop = (why: string, exitCode: number): void => {
    if (stoppingSinceMs !== null) return;
    stoppingSinceMs = systemClock.monotonicMs();
    log.info('stopping', { why });
    onStopping?.();
    systemTimers.after(drainMs + STOP_MS_MAX, () => {
      log.error('the stop took too long');
      endNow(1);
    });
    void program.stop().then((isClean) => {
      log.info('stopped');
      process.exit(isClean ? exitCode : 1);
    });
  };

  for (const signal of signals) {
    process.on(signal, () => {
      if (stoppingSinceMs === null) {
        stop(signal, 0);
      } else if (systemClock.monotonicMs() - stoppingSinceMs > SAME_SIGNAL_MS) {
        log.warn('a second signal: ending at once', { signal });
        endNow(1);
      }
    });
  }

  // A bug: what is in memory may be wrong now, so nothing more is committed from it. What was acknowledged is stored.
  const crash = (error: unknown): void => {
    log.error('a defect; ending at once', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    endNow(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  return stop;
}
