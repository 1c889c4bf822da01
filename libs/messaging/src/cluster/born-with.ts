import type { Timers } from '@millrace/kernel';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import { birthKey } from './birth-actor.ts';

const RETRY_MS = 200;

/**
 * With how many partitions the store was born: with `partitionCount`, when this is its birth. Asks until there is an
 * answer; null when it `isOver` before.
 */
export async function bornWith(
  calls: Pick<ActorCalls, 'post'>,
  partitionCount: number,
  timers: Timers,
  isOver: () => boolean,
): Promise<number | null> {
  while (!isOver()) {
    const stored = await new Promise<AnyReply>((resolve) => {
      calls.post(birthKey, { t: 'birth', partitionCount }, resolve, 'client');
    });
    if (stored.ok) return Number(stored.value);
    await new Promise<void>((resolve) => {
      timers.after(RETRY_MS, resolve);
    });
  }
  return null;
}
