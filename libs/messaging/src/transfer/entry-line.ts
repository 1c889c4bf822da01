import type { SequenceId } from '@millrace/kernel';
import { decodeEntry, encodeEntry, toBase64, type EntryFields } from '@millrace/protocol';
import type { EntryLine } from './lines.ts';

const same = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);

/**
 * A stored entry as a line, always with its fields in the same order. One of which that would not make the same bytes again
 * (an extension that lines, or this version of the program, do not know) carries them beside.
 *
 * @throws MalformedBytes when it cannot be read at all.
 */
export function entryLine(seq: SequenceId, data: Uint8Array): EntryLine {
  const entry = decodeEntry(data);
  const { at, sentAt, type, from, deviceTag, n, msgNo, countable, body } = entry;
  const { mentions, mentionAll, replyTo, thread, forwardedFrom } = entry;
  const always = { at, sentAt, type, from, deviceTag, n, msgNo, countable };
  const sometimes = {
    ...(mentions === undefined ? {} : { mentions }),
    ...(mentionAll === undefined ? {} : { mentionAll }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(thread === undefined ? {} : { thread }),
    ...(forwardedFrom === undefined ? {} : { forwardedFrom }),
  };
  return {
    ...{ seq, ...always },
    ...(typeof body === 'string' ? { body } : { bodyBase64: toBase64(body) }),
    ...sometimes,
    ...(same(encodeEntry({ ...always, body, ...sometimes }), data) ? {} : { storedBase64: toBase64(data) }),
  };
}

/** An entry on its way into a conversation. */
export interface ImportedEntry {
  readonly seq: SequenceId;
  /** `msgNo` absent: counted on. */
  readonly fields: Omit<EntryFields, 'msgNo'> & { readonly msgNo?: number };
  /** What is stored of it; null for what the fields say. */
  readonly stored: Uint8Array | null;
}

/** What stands where the source has nothing: it takes up its seq, and counts for nobody. */
export const voidEntry = (seq: SequenceId, at: number): ImportedEntry => ({
  seq,
  fields: { from: null, deviceTag: 0, n: 0, sentAt: 0, at, type: 'void', body: '', countable: false },
  stored: null,
});
