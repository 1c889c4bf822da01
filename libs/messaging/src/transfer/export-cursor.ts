import { parseSequenceId, sequenceId, type SequenceId } from '@millrace/kernel';
import type { ExportFrom } from '../conversation/exported.ts';

/** Where an export of one conversation goes on: in what it keeps beside its entries, or at an entry. */
export type ExportCursor =
  | (ExportFrom & { readonly upTo: SequenceId })
  | { readonly section: 'entries'; readonly from: SequenceId; readonly upTo: SequenceId };

const CURSOR = /^(members|bans|keys|entries) (\d{1,16}) (.*)$/s;

/** As text, which clients take for opaque. */
export function encodeExportCursor(cursor: ExportCursor): string {
  const after = cursor.section === 'entries' ? String(cursor.from) : (cursor.after ?? '');
  return `${cursor.section} ${String(cursor.upTo)} ${after}`;
}

/** Null for what is no cursor. */
export function decodeExportCursor(text: string): ExportCursor | null {
  const [, section, head = '', after = ''] = CURSOR.exec(text) ?? [];
  const upTo = parseSequenceId(Number(head));
  if (section === undefined || !upTo.ok) return null;
  if (section !== 'entries') {
    return { section: section as ExportFrom['section'], after: after === '' ? null : after, upTo: upTo.value };
  }
  const from = /^\d{1,16}$/.test(after) ? parseSequenceId(Number(after)) : null;
  return from?.ok === true ? { section, from: sequenceId(from.value), upTo: upTo.value } : null;
}
