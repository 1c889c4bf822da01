import { sequenceId, type ConversationId, type SequenceId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import type { Change } from '@millrace/search';
import {
  conversationKey,
  generationOf,
  StoreUnavailable,
  type TimelineEntry,
  type TimelineHead,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { controlOf } from '../diffuse/control-of.ts';
import { current, type CurrentReads } from '../revise/current.ts';
import { readDense } from '../sync/read-messages.ts';
import { changeOf } from './document-of.ts';
import type { FieldRules } from './field-rules.ts';
import { surviving, type Span } from './spans.ts';

export interface ChangeReads {
  readonly calls: ActorCalls;
  readonly reads: CurrentReads;
  readonly rules: FieldRules;
  /** Where a conversation stands, as it is acknowledged (I1); null when there is none. Rejects with StoreUnavailable. */
  headOf(this: void, conversation: ConversationId): Promise<TimelineHead | null>;
}

/**
 * What an index is to know of these entries, and of the messages that they changed, as all of it stands now. Entries that
 * a lost end took along are left out.
 *
 * Rejects with StoreUnavailable when something cannot be read now.
 *
 * @param head - of the conversation, where it is known: it is asked for only when it is needed.
 */
export async function readChanges(
  parts: ChangeReads,
  conversation: ConversationId,
  spans: readonly Span[],
  head: TimelineHead | null = null,
): Promise<readonly Change[]> {
  const entries = await readOrSurvivors(parts, conversation, spans);
  const here = new Set(entries.map(({ seq }) => seq));
  const changed = entries.flatMap((entry) => targetOf(entry) ?? []).filter((seq) => !here.has(seq));
  const elsewhere = changed.length === 0 ? [] : await readTargets(parts, conversation, new Set(changed), head);
  const changes = [...entries, ...elsewhere].flatMap((entry) => {
    const change = entry.isControl ? null : changeOf(conversation, entry.message, parts.rules);
    return change ?? [];
  });
  // Behind them: whatever was read before the erasure was told, it takes out again.
  return [...changes, ...entries.flatMap((entry) => erasureOf(conversation, entry) ?? [])];
}

/** What a user has sent up to there is forgotten: batches that were read before came into the index behind nothing that says so. */
function erasureOf(conversation: ConversationId, entry: WireEntry): Change | null {
  const control = entry.isControl ? controlOf(entry) : null;
  if (control?.control !== 'erased') return null;
  return { kind: 'erase', conversation, sender: control.author, upTo: sequenceId(control.upTo) };
}

/** The message that an entry changes in a way that can be searched for. */
function targetOf(entry: WireEntry): SequenceId | null {
  const control = entry.isControl ? controlOf(entry) : null;
  return control?.control === 'edited' || control?.control === 'recalled' ? sequenceId(control.seq) : null;
}

async function readOrSurvivors(
  parts: ChangeReads,
  conversation: ConversationId,
  spans: readonly Span[],
): Promise<readonly WireEntry[]> {
  try {
    return await readSpans(parts, conversation, spans);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const now = await parts.headOf(conversation);
    const left = now === null ? [] : surviving(now, spans);
    const entriesOf = (some: readonly Span[]): number =>
      some.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    if (entriesOf(left) === entriesOf(spans)) throw error;
    return readSpans(parts, conversation, left);
  }
}

async function readSpans(
  { calls, reads }: ChangeReads,
  conversation: ConversationId,
  spans: readonly Span[],
): Promise<readonly WireEntry[]> {
  const actor = conversationKey(conversation);
  const place = { partition: calls.partitionOf(actor), actor };
  const read = spans.map(({ gen, first, last }) => {
    const range = { from: { gen, seq: first }, to: { gen, seq: last } };
    return current(calls, reads, conversation, null, readDense(reads.timelines, place, range, 'forward'), null);
  });
  return (await Promise.all(read)).flat();
}

async function readTargets(
  { calls, reads, headOf }: ChangeReads,
  conversation: ConversationId,
  seqs: ReadonlySet<SequenceId>,
  known: TimelineHead | null,
): Promise<readonly WireEntry[]> {
  const head = known ?? (await headOf(conversation));
  if (head === null) return [];
  const actor = conversationKey(conversation);
  const partition = calls.partitionOf(actor);
  const read = Promise.all(
    [...seqs].map(async (seq): Promise<TimelineEntry | null> => {
      const gen = generationOf(head, seq);
      return gen === null ? null : reads.timelines.at(partition, actor, { gen, seq });
    }),
  );
  const entries = read.then((all) => all.filter((entry) => entry !== null));
  return current(calls, reads, conversation, null, entries, null);
}
