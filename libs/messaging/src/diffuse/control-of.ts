import type { ControlBody, WireEntry } from '@millrace/protocol';

/** What a control entry tells; null for an entry that is none. */
export function controlOf(entry: WireEntry): ControlBody | null {
  const { type, body } = entry.message;
  return type === 'control' && typeof body === 'string' ? (JSON.parse(body) as ControlBody) : null;
}
