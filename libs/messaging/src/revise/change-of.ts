import { fromBase64, type ControlBody, type EntryFields } from '@millrace/protocol';
import { parseSequenceId, type SequenceId } from '@millrace/kernel';
import type { Change } from '../conversation/commands.ts';

/** What an entry changes, and how. */
export interface ToldChange {
  readonly seq: SequenceId;
  readonly change: Change;
}

const objectOf = (body: EntryFields['body']): Partial<ControlBody> | null => {
  try {
    const value: unknown = typeof body === 'string' ? JSON.parse(body) : null;
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
};

/**
 * The change that an entry tells of: null for one that changes nothing, as messages do and most control entries, and
 * `unreadable` for one that says that it does, and not what.
 */
export function changeOf({ type, body }: Pick<EntryFields, 'type' | 'body'>): ToldChange | null | 'unreadable' {
  const control = type === 'control' ? objectOf(body) : null;
  if (control?.control !== 'edited' && control?.control !== 'recalled' && control?.control !== 'reacted') return null;
  const seq = parseSequenceId(control.seq);
  const change = seq.ok ? changeIn(control) : null;
  return seq.ok && seq.value > 0 && change !== null ? { seq: seq.value, change } : 'unreadable';
}

/** The message that an entry pins, or does not any more; null for an entry that does neither. */
export function pinOf(body: EntryFields['body']): { readonly seq: SequenceId; readonly isOn: boolean } | null {
  const control = objectOf(body);
  if (control?.control !== 'pinned' && control?.control !== 'unpinned') return null;
  const seq = parseSequenceId(control.seq);
  return seq.ok && seq.value > 0 ? { seq: seq.value, isOn: control.control === 'pinned' } : null;
}

type Changing = Partial<Extract<ControlBody, { readonly control: 'edited' | 'recalled' | 'reacted' }>>;

function changeIn(control: Changing): Change | null {
  if (control.control === 'recalled') return { op: 'recall' };
  if (control.control === 'reacted') {
    const { emoji, on } = control;
    return typeof emoji === 'string' && typeof on === 'boolean' ? { op: 'react', emoji, isOn: on } : null;
  }
  if (control.control !== 'edited') return null;
  const { body = '', bodyBase64 } = control;
  if (bodyBase64 === undefined) return typeof body === 'string' ? { op: 'edit', body } : null;
  const bytes = typeof bodyBase64 === 'string' ? fromBase64(bodyBase64) : null;
  return bytes?.ok === true ? { op: 'edit', body: bytes.value } : null;
}
