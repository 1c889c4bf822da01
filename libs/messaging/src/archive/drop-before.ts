import { describeArchiveError, type ArchiveStore } from '@millrace/archive';
import { sequenceId, type ConversationId } from '@millrace/kernel';
import { generationOf, keptFrom, type TimelineHead } from '@millrace/timeline';

/**
 * Whether nothing may leave the archive now, since a backup is taken: what its copy of Redis names must be in its copy of the
 * archive, which is taken later. Also true when nobody can tell.
 */
export type IsHeld = () => Promise<boolean>;

/** Where no backup is ever taken. */
export const neverHeld: IsHeld = () => Promise.resolve(false);

export interface DropParts {
  readonly archive: Pick<ArchiveStore, 'extent' | 'trim' | 'erase'>;
  readonly isHeld: IsHeld;
}

/** Why {@link dropBefore} did nothing: it is to be called again, later. */
export const HELD = 'a backup is taken, and nothing leaves the archive meanwhile';

const NOTHING = new Uint8Array(0);
const ERASED_MAX = 1_000;

/**
 * Takes out of the archive what stands before the first entry of the head: whole chunks, and what of the first one that
 * stays is before it.
 *
 * @param head - as it is stored, read before this call: a backup that begins behind the call has it, too.
 * @returns what went wrong; null when nothing is left of it.
 */
export async function dropBefore(
  { archive, isHeld }: DropParts,
  conversation: ConversationId,
  head: TimelineHead,
): Promise<string | null> {
  if (await isHeld()) return HELD;
  const first = keptFrom(head);
  const gen = generationOf(head, first) ?? head.gen;
  const trimmed = await archive.trim(conversation, { gen, seq: first });
  if (!trimmed.ok) return describeArchiveError(trimmed.error);
  const extent = await archive.extent(conversation);
  if (!extent.ok) return describeArchiveError(extent.error);
  const span = extent.value.find((each) => each.gen === gen);
  if (span === undefined || span.first >= first) return null;
  const count = Math.min(first - span.first, ERASED_MAX);
  const tombstones = Array.from({ length: count }, () => NOTHING);
  const erased = await archive.erase(conversation, [{ gen, seq: sequenceId(first - count), tombstones }]);
  return erased.ok ? null : describeArchiveError(erased.error);
}
