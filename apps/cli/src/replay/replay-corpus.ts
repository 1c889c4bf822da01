import type { Result } from '@millrace/kernel';
import { ChannelReplay, type ReplayDesk } from './channel-replay.ts';
import type { CorpusLine, Misfit } from './corpus-line.ts';
import type { Pace } from './pace.ts';

export interface ReplayOptions {
  readonly run: string;
  readonly desk: ReplayDesk;
  readonly pace: Pace;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** Channels that are replayed at the same time. */
  readonly channelsMax: number;
  /** Lines that are read ahead of the slowest channel. */
  readonly readAheadMax: number;
  readonly interrupted: AbortSignal;
  readonly onMisfit: (misfit: Misfit) => void;
  /** A line is done: sent now, or found in the ledger. */
  readonly onDone: (how: 'sent' | 'ledgered') => void;
}

/** What stopped a replay before its end; null when nothing did. */
export type ReplayEnd = { readonly stoppedBy: string | null };

/**
 * Replays every line in the order of its channel, several channels side by side, until the corpus ends, something is
 * refused for good, or the user interrupts. What was begun is always finished.
 */
export async function replayCorpus(
  lines: AsyncIterable<Result<CorpusLine, Misfit>>,
  options: ReplayOptions,
): Promise<ReplayEnd> {
  const { desk, run, pace, interrupted } = options;
  const queues = new Map<string, CorpusLine[]>();
  const ready: string[] = [];
  const ledgered = new Set<number>();
  for (const { messages } of desk.book.conversations.values()) for (const { line } of messages) ledgered.add(line);

  let stoppedBy: string | null = null;
  let queued = 0;
  let active = 0;
  // Resolved, and made anew, whenever a worker has finished a line.
  let wake = (): void => undefined;
  const nextEvent = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const isOver = (): boolean => stoppedBy !== null || interrupted.aborted;

  const work = async (channel: string): Promise<void> => {
    const replay = new ChannelReplay(desk, run, channel);
    const queue = queues.get(channel) ?? [];
    while (!isOver()) {
      const line = queue.shift();
      if (line === undefined) {
        // In the same step: a line that comes later begins a queue, and a worker, of its own.
        queues.delete(channel);
        return;
      }
      const waitMs = pace.waitMs(channel, line.atMs, desk.clock.monotonicMs());
      if (waitMs > 0) await options.sleep(waitMs);
      if (isOver()) return;
      const outcome = await replay.replay(line);
      if (outcome.ok) options.onDone('sent');
      else if (!interrupted.aborted) stoppedBy ??= outcome.error;
      queued -= 1;
      wake();
    }
  };
  const startReady = (): void => {
    while (active < options.channelsMax && !isOver()) {
      const channel = ready.shift();
      if (channel === undefined) return;
      active += 1;
      void work(channel)
        .catch((bug: unknown) => {
          stoppedBy ??= bug instanceof Error ? (bug.stack ?? bug.message) : String(bug);
        })
        .finally(() => {
          active -= 1;
          wake();
          startReady();
        });
    }
  };

  for await (const line of lines) {
    if (isOver()) break;
    if (!line.ok) {
      options.onMisfit(line.error);
      continue;
    }
    if (ledgered.has(line.value.line)) {
      options.onDone('ledgered');
      continue;
    }
    const { channel } = line.value;
    const queue = queues.get(channel);
    if (queue === undefined) {
      queues.set(channel, [line.value]);
      ready.push(channel);
    } else {
      queue.push(line.value);
    }
    queued += 1;
    startReady();
    while (queued >= options.readAheadMax && !isOver()) await nextEvent();
  }
  startReady();
  while (active > 0) await nextEvent();
  return { stoppedBy };
}
