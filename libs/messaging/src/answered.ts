import { err, type Result } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { StoreUnavailable, Superseded } from '@millrace/timeline';
import { EntriesMissing } from './sync/read-messages.ts';

/**
 * Turns a store that cannot be asked into an answer; anything else is a bug and goes on.
 *
 * @param work - is begun once more, from where things stand then, when entries went while it read them, or the partition
 *   to another owner: the asker is not to notice that old ones leave a Timeline (I8), or that a partition moves. So it must be
 *   harmless to do it twice.
 */
export async function answered<T>(work: () => Promise<Result<T, FrameError>>): Promise<Result<T, FrameError>> {
  try {
    return await work().catch((error: unknown) => {
      if (error instanceof EntriesMissing || error instanceof Superseded) return work();
      throw error;
    });
  } catch (error) {
    if (error instanceof StoreUnavailable) return err(frameError('unavailable', error.message));
    throw error;
  }
}

/** For a round of several: what was told by who is not the owner any more is asked of the next one. */
export function overtaken(error: unknown): null {
  if (error instanceof Superseded) return null;
  throw error;
}
