import type { UserId } from '@millrace/kernel';
import type { Reaction } from './frames.ts';
import { protocolLimits } from './limits.ts';

/**
 * What stands under a message after one user has reacted, or has taken that back: the same for server and device, which go
 * by the same entries.
 */
export function withReaction(
  reactions: readonly Reaction[],
  user: UserId,
  emoji: string,
  isOn: boolean,
): readonly Reaction[] {
  const known = reactions.find((each) => each.emoji === emoji) ?? { emoji, count: 0, users: [] };
  const others = known.users.filter((each) => each !== user);
  const users = isOn ? [...others, user].slice(-protocolLimits.usersPerReaction) : others;
  const changed: Reaction = { emoji, count: Math.max(0, known.count + (isOn ? 1 : -1)), users };
  if (known.count === 0) return changed.count === 0 ? reactions : [...reactions, changed];
  return reactions.flatMap((each) => (each.emoji !== emoji ? [each] : changed.count === 0 ? [] : [changed]));
}
