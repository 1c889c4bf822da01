import { err, ok, type Result } from '@millrace/kernel';
import { frameError, type Create, type FrameError } from '@millrace/protocol';
import type { LobbyFacts } from './lobby-facts.ts';
import type { LobbyLimits } from './lobby-limits.ts';

/** What a new lobby keeps, and how many may be in it, within what the node allows. */
export function factsFor(
  { backlog, membersMax }: Pick<Create, 'backlog' | 'membersMax'>,
  limits: LobbyLimits,
): Result<Pick<LobbyFacts, 'backlog' | 'membersMax'>, FrameError> {
  if (backlog !== undefined && backlog > limits.backlogMax) {
    return err(frameError('limit_reached', `a lobby keeps at most ${String(limits.backlogMax)} entries here`));
  }
  if (membersMax !== undefined && membersMax > limits.membersMax) {
    return err(frameError('limit_reached', `a lobby has at most ${String(limits.membersMax)} members here`));
  }
  return ok({
    backlog: backlog ?? Math.min(limits.backlogDefault, limits.backlogMax),
    membersMax: membersMax ?? limits.membersMax,
  });
}
