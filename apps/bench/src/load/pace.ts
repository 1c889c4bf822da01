import { systemClock } from '@millrace/kernel';

export interface Pace {
  /** Nothing is due any more from here on. @returns how much was. */
  stop(): number;
}

/**
 * Lets things be due at even distances, whatever becomes of those before.
 *
 * @param onDue - told when it was due, monotonic microseconds, and how many were due before.
 * @param onTick - after what was due at one moment.
 */
export function pace(
  perSecond: number,
  onDue: (dueMicros: number, before: number) => void,
  onTick: () => void = () => undefined,
): Pace {
  const startMicros = systemClock.monotonicMs() * 1_000;
  let count = 0;
  const tick = (): void => {
    const passedMicros = systemClock.monotonicMs() * 1_000 - startMicros;
    const wanted = (passedMicros * perSecond) / 1_000_000;
    for (; count < wanted; count += 1) onDue(startMicros + (count * 1_000_000) / perSecond, count);
    onTick();
  };
  tick();
  const timer = setInterval(tick, 1);
  return {
    stop() {
      clearInterval(timer);
      tick();
      return count;
    },
  };
}
