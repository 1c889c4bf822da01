import type { Timers } from '@millrace/kernel';
import type { StoreHealth } from '@millrace/redis-store';

const LOOK_MS = 5_000;

/**
 * Tells every few seconds how much of Redis's memory is in use, of 1; 0 where it has no bound.
 *
 * @returns how to stop it.
 */
export function watchMemory(
  health: () => Promise<StoreHealth>,
  timers: Timers,
  told: (share: number) => void,
): () => void {
  let isStopped = false;
  const look = async (): Promise<void> => {
    const { reachable, usedMemoryBytes, maxMemoryBytes } = await health();
    if (reachable && !isStopped) told(maxMemoryBytes === null ? 0 : usedMemoryBytes / maxMemoryBytes);
    later();
  };
  const later = (): void => {
    timers.after(LOOK_MS, () => {
      if (!isStopped) void look();
    });
  };
  later();
  return () => {
    isStopped = true;
  };
}
