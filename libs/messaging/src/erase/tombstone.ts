import {
  decodeEntry,
  encodeEntry,
  frameError,
  type ControlBody,
  type EntryFields,
  type FrameError,
} from '@millrace/protocol';
import { sequenceId, type SequenceId } from '@millrace/kernel';
import type { TimelineEntry } from '@millrace/timeline';
import type { ErasedAuthors } from '../revise/revision.ts';

/**
 * What is left of an entry that its author has sent: where it stands, who sent it and when, and whether it counts, so that
 * nothing that was numbered or counted is another one (I3).
 *
 * @returns null when there is nothing to erase: it was erased before, or tells what became of the conversation.
 */
export function tombstoneOf(entry: EntryFields): EntryFields | null {
  const { msgNo, at, type, countable, from, body } = entry;
  if (entry.erased === true || type === 'void') return null;
  const kept = { msgNo, at, countable, from, deviceTag: 0, n: 0, sentAt: 0, erased: true as const };
  if (type !== 'control') {
    // Where it stands in a thread is counted there.
    const { replyTo, thread } = entry;
    const reply = { ...(replyTo === undefined ? {} : { replyTo }), ...(thread === undefined ? {} : { thread }) };
    return { ...kept, ...reply, type, body: '' };
  }
  const control = JSON.parse(typeof body === 'string' ? body : '{}') as ControlBody;
  if (control.control === 'edited') {
    return { ...kept, type, body: JSON.stringify({ control: control.control, seq: control.seq }) };
  }
  if (control.control === 'recalled' && control.reason !== undefined) {
    const { seq, author } = control;
    return { ...kept, type, body: JSON.stringify({ control: control.control, seq, author } satisfies ControlBody) };
  }
  return control.control === 'reacted' ? { ...kept, type: 'void', body: '' } : null;
}

/** Nobody changes a message that was erased, answers it, or pins it. */
export const erasedError = (seq: SequenceId): FrameError =>
  frameError('conflict', `message ${String(seq)} was erased, and cannot be changed any more`);

export const isErased = (authors: ErasedAuthors, { from }: Pick<EntryFields, 'from'>, seq: SequenceId): boolean =>
  from !== null && seq <= (authors.get(from)?.upTo ?? sequenceId(0));

/** Entries with a tombstone for each that is erased. @param asOf - erasures that are told behind it do not count yet. */
export function withTombstones(
  entries: readonly TimelineEntry[],
  authors: ErasedAuthors,
  asOf: number,
): readonly TimelineEntry[] {
  const told = new Map([...authors].filter(([, { rev }]) => rev <= asOf));
  if (told.size === 0) return entries;
  return entries.map((entry) => {
    const fields = decodeEntry(entry.data);
    const data = isErased(told, fields, entry.seq) ? tombstoneBytes(fields) : null;
    return data === null ? entry : { ...entry, data };
  });
}

/** A tombstone, as it is stored. */
export function tombstoneBytes(entry: EntryFields): Uint8Array | null {
  const tombstone = tombstoneOf(entry);
  return tombstone === null ? null : encodeEntry(tombstone);
}
