import { MalformedBytes, type SequenceId, type UserId } from '@millrace/kernel';
import { protocolLimits, type WireEntry } from '@millrace/protocol';
import type { MentionOfAll } from '../conversation/conversation-state.ts';

/*
 * What mentions all in a conversation that no inbox has, as the nodes with sockets of members know it: devices that do
 * not show the conversation learn of it with where it stands.
 */

/** Those of these entries that mention all. Looks into the few that may, and passes over what cannot be read. */
export function mentionsOfAllIn(entries: readonly WireEntry[]): readonly MentionOfAll[] {
  return entries.flatMap((entry): readonly MentionOfAll[] => {
    if (!entry.hasExtensions) return [];
    try {
      const { seq, from, mentionAll } = entry.message;
      return mentionAll === true && from !== null ? [{ seq, from }] : [];
    } catch (error) {
      if (error instanceof MalformedBytes) return [];
      throw error;
    }
  });
}

/** The latest of them: as many as one head tells of. */
export function latestMentionsOfAll(
  known: readonly MentionOfAll[],
  fresh: readonly MentionOfAll[],
): readonly MentionOfAll[] {
  return fresh.length === 0 ? known : [...known, ...fresh].slice(-protocolLimits.mentionsPerHead);
}

/** Of them, what is for a user to know who came in at `since`, and is not their own. */
export const mentionsOfAllFor = (
  user: UserId,
  since: SequenceId,
  known: readonly MentionOfAll[],
): readonly SequenceId[] => known.flatMap(({ seq, from }) => (seq > since && from !== user ? [seq] : []));
