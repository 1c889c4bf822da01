import { addTo, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { conversationKey, generationOf, keptFrom, StoreUnavailable } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ImportedTo } from '../conversation/imported.ts';
import { changeOf } from '../revise/change-of.ts';
import type { CurrentReads } from '../revise/current.ts';
import { readExtent, readRevisions } from '../revise/read-revisions.ts';
import type { TargetFacts } from '../revise/revision.ts';
import type { ImportedEntry } from './entry-line.ts';

interface Changing {
  /** The entry that changes, and the one that it changes. */
  readonly by: SequenceId;
  readonly from: UserId | null;
  readonly target: SequenceId;
}

type Said = Pick<TargetFacts, 'from' | 'at' | 'countable' | 'isControl' | 'thread'>;

const saidBy = ({ from, at, countable, type, thread }: ImportedEntry['fields']): Said => ({
  ...{ from, at, countable, thread: thread ?? null },
  isControl: type === 'control' || type === 'void',
});

/**
 * Looks up what is stored of the messages that entries of an import change, as it is done for a change by a client: in the
 * entries themselves, or in the Timeline as far as it is there. One that is in neither, for the export begins behind it,
 * is left out: there is nothing to lay the change over.
 *
 * @param stands - where the conversation stands before the entries.
 * @returns by the seq of the entry that changes it.
 *
 * Rejects with StoreUnavailable.
 */
export async function importTargets(
  calls: ActorCalls,
  { timelines, records }: CurrentReads,
  conversation: ConversationId,
  { head, at: since }: Pick<ImportedTo, 'head' | 'at'>,
  entries: readonly ImportedEntry[],
): Promise<readonly (readonly [SequenceId, TargetFacts])[]> {
  const changing = entries.flatMap(({ seq, fields }): readonly Changing[] => {
    const told = changeOf(fields);
    // What answers another message changes the first one of its thread, which tells what has come there.
    const target = told === null ? fields.thread : told === 'unreadable' ? undefined : told.seq;
    return target === undefined ? [] : [{ by: seq, from: fields.from, target }];
  });
  if (changing.length === 0) return [];
  const actor = conversationKey(conversation);
  const partition = calls.partitionOf(actor);
  const said = new Map<SequenceId, Said>(entries.map(({ seq, fields }) => [seq, saidBy(fields)]));
  const isStored = (seq: SequenceId): boolean => seq >= keptFrom(head) && seq <= head.seq;
  await Promise.all(
    [...new Set(changing.map(({ target }) => target))].filter(isStored).map(async (seq) => {
      const gen = generationOf(head, seq);
      const entry = gen === null ? null : await timelines.at(partition, actor, { gen, seq });
      if (entry === null) throw new StoreUnavailable(`entry ${String(seq)} of ${actor} cannot be read`);
      said.set(seq, saidBy(decodeEntry(entry.data)));
    }),
  );
  const reads = { records, partitionOf: () => partition, since };
  const extent = await readExtent(reads, conversation);
  const byUser = new Map<UserId | null, SequenceId[]>();
  for (const { from, target } of changing) addTo(byUser, from, target);
  const found = new Map(
    await Promise.all(
      [...byUser].map(async ([user, seqs]) => {
        const distinct = [...new Set(seqs)];
        const revisions =
          extent === null ? null : await readRevisions(reads, conversation, user, distinct, extent, true);
        return [user, revisions] as const;
      }),
    ),
  );
  return changing.flatMap(({ by, from, target }) => {
    const entry = said.get(target);
    if (entry === undefined) return [];
    const stored = found.get(from);
    const revision = stored?.revisions.get(target) ?? null;
    const isDeleted = stored?.deleted.has(target) ?? false;
    const emojis = stored?.emojis.get(target) ?? [];
    return [[by, { seq: target, ...entry, revision, isDeleted, emojis, gen: head.gen, asOf: head.seq }] as const];
  });
}
