import { err, ok, type Result } from '@millrace/kernel';

/** How fast a corpus is replayed: as fast as it goes, so many messages a second, or so many times as fast as it was. */
export type Speed =
  | { readonly kind: 'max' }
  | { readonly kind: 'perSecond'; readonly messages: number }
  | { readonly kind: 'realTime'; readonly times: number };

export function parseSpeed(text: string | undefined): Result<Speed, string> {
  if (text === undefined || text === 'max') return ok({ kind: 'max' });
  const realTime = /^x(\d+(?:\.\d+)?)$/.exec(text);
  if (realTime !== null && Number(realTime[1]) > 0) return ok({ kind: 'realTime', times: Number(realTime[1]) });
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0) return ok({ kind: 'perSecond', messages: Number(text) });
  return err(
    `--speed must be "max", a number of messages a second (100), or a multiple of real time (x60), got "${text}".`,
  );
}

/**
 * Tells when a message is due. The rate holds for the whole replay; real time runs for each channel on its own, from
 * when the channel begins, for a corpus is not ordered in time across channels.
 */
export class Pace {
  readonly #speed: Speed;
  readonly #channels = new Map<string, { startedMs: number; firstAtMs: number }>();
  #nextMs = 0;

  constructor(speed: Speed) {
    this.#speed = speed;
  }

  /**
   * @param nowMs - monotonic.
   * @param atMs - when the message was said.
   * @returns how long to wait from now, milliseconds. Each call takes one message's turn.
   */
  waitMs(channel: string, atMs: number, nowMs: number): number {
    if (this.#speed.kind === 'max') return 0;
    if (this.#speed.kind === 'perSecond') {
      // Time that was lost waiting for answers is not made up for by a burst.
      const dueMs = Math.max(nowMs, this.#nextMs);
      this.#nextMs = dueMs + 1000 / this.#speed.messages;
      return dueMs - nowMs;
    }
    let clock = this.#channels.get(channel);
    if (clock === undefined) {
      clock = { startedMs: nowMs, firstAtMs: atMs };
      this.#channels.set(channel, clock);
    }
    return Math.max(0, clock.startedMs + (atMs - clock.firstAtMs) / this.#speed.times - nowMs);
  }
}
