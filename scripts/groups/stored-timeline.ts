import type { ConversationId } from '@millrace/kernel';
import { Redis } from 'ioredis';
import type { GroupStage } from './group-stage.ts';
import type { Entry } from './stays.ts';

export type StoredEntry = Entry & { readonly gen: number; readonly msgNo: number };

const TYPES = ['void', 'text', 'image', 'file', 'custom', 'control'] as const;

/** The bytes of one entry, read here by what docs/protocol.md says of them, and by nothing of the product. */
function decoded(id: string, bytes: Buffer): StoredEntry {
  const [gen = 0, seq = 0] = id.split('-').map(Number);
  let at = 3;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  const [type, flags] = [TYPES[bytes.readUInt8(1)], bytes.readUInt8(2)];
  if (bytes.readUInt8(0) !== 1 || type === undefined || (flags & 4) !== 0) {
    throw new Error(`entry ${id} has a layout that is not known here`);
  }
  const [msgNo] = [varint(), varint(), varint()];
  const length = varint();
  const from = bytes.toString('utf8', at, at + length);
  at += length + 4;
  varint();
  const entry = { gen, seq, msgNo, type, countable: (flags & 2) !== 0, from: from === '' ? null : from };
  return { ...entry, body: bytes.toString('utf8', at) } as StoredEntry;
}

/** A conversation's Timeline as Redis holds it, first to last. */
export async function storedTimeline(
  { redis }: GroupStage,
  conversation: ConversationId,
): Promise<readonly StoredEntry[]> {
  const store = new Redis(redis.url, { maxRetriesPerRequest: 0 });
  try {
    const [key] = await store.keys(`*:t:c:${conversation}`);
    if (key === undefined) throw new Error(`Redis has no Timeline of ${conversation}`);
    const entries = await store.xrangeBuffer(key, '-', '+');
    return entries.map(([id, fields]) => decoded(id.toString(), fields[1] ?? Buffer.alloc(0)));
  } finally {
    store.disconnect();
  }
}
