import { WireEntry } from '@millrace/protocol';

/** Buffers and byte arrays are the same to their readers. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (value instanceof WireEntry) return { gen: value.gen, seq: value.seq, data: [...value.data] };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}
