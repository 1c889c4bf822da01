import { err, fromUtf8, ok, sequenceId, type Generation, type Result } from '@millrace/kernel';
import type { ActorRecord } from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { generationOf, inGeneration } from '@millrace/timeline';
import type { ConversationCalls, KeptTiers } from './commands.ts';
import { decodeMeta } from './conversation-record.ts';
import type { ConversationMeta, ConversationState } from './conversation-state.ts';
import { notFound } from './queries.ts';

/** Also of one that is being imported, and is nothing yet to anybody else: a long one must not fill the memory. */
const isThere = ({ meta, staged }: ConversationState): boolean => meta.value !== null || staged.value !== null;

const keptFor = (meta: ConversationMeta | null): Pick<KeptTiers, 'retentionDays' | 'lifetimeMs'> => ({
  retentionDays: meta?.retentionDays ?? 0,
  lifetimeMs: meta?.lifetimeMs ?? 0,
});

/** Where the entries of a conversation are. */
export function tiers(state: ConversationState): Result<KeptTiers, FrameError> {
  if (!isThere(state)) return err(notFound(state));
  return ok({ head: state.head.value, archivedTo: state.archivedTo.value, ...keptFor(state.meta.value) });
}

/** The same, of one that is not in memory. @param gen - the generation of the partition. */
export function storedTiers({ head, fields }: ActorRecord, gen: Generation): KeptTiers | null {
  const [archivedTo, meta] = [fields.get('z'), fields.get('s')];
  if (head === null) return null;
  return {
    head: inGeneration(head, gen),
    archivedTo: sequenceId(archivedTo === undefined ? 0 : Number(fromUtf8(archivedTo))),
    ...keptFor(meta === undefined ? null : decodeMeta(fromUtf8(meta))),
  };
}

/**
 * Moves the end of the archived part. A position names all that is before it, too: as long as the Timeline has it in that
 * generation, what was read before of the Timeline up to there is what it still holds.
 */
export function archived(
  state: ConversationState,
  { after, to }: ConversationCalls['archived']['command'],
): Result<KeptTiers, FrameError> {
  const { head, archivedTo } = state;
  const isNext = after === archivedTo.value && to.seq > after && generationOf(head.value, to.seq) === to.gen;
  if (isThere(state) && isNext) archivedTo.value = to.seq;
  return tiers(state);
}
