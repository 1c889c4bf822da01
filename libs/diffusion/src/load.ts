/** How many deliveries a second `write` diffusion of a conversation takes, or would take. */
export interface Load {
  readonly perSecond: number;
  /** When that was so, wall time. */
  readonly atMs: number;
}

export const noLoad: Load = { perSecond: 0, atMs: 0 };

/**
 * The load after some deliveries more: an average over about `windowMs`, in which what is longer ago weighs less and less.
 * It takes two numbers, however much is sent. A clock that was set back or forth makes it wrong for a moment, and nothing
 * depends on that but how messages travel (I10).
 *
 * @param deliveries - messages times members; 0 to look only.
 */
export function loadAfter({ perSecond, atMs }: Load, nowMs: number, deliveries: number, windowMs: number): Load {
  const passedMs = Math.max(0, nowMs - atMs);
  const left = perSecond * Math.exp(-passedMs / windowMs);
  return { perSecond: left + (deliveries * 1_000) / windowMs, atMs: nowMs };
}
