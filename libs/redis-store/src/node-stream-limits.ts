import type { StreamBounds } from '@millrace/node-link';

export interface NodeStreamLimits {
  /** What may wait in this node's stream for its reader (I9). */
  readonly bounds: StreamBounds;
  /** What may wait in this process to be added to other nodes' streams; above it a send is `unavailable`. */
  readonly queuedBytesMax: number;
  /** Entries in one answer to the reader. */
  readonly readEntriesMax: number;
  /** How long one read waits for an entry. As often the reader also says that it lives. */
  readonly blockMs: number;
  /** Without a word from its reader for so long, Redis deletes a stream. Far more than a lease: it only clears away. */
  readonly expiryMs: number;
}

export const defaultNodeStreamLimits: NodeStreamLimits = {
  bounds: { entriesMax: 8_192, bytesMax: 16 * 1024 * 1024 },
  queuedBytesMax: 64 * 1024 * 1024,
  readEntriesMax: 256,
  blockMs: 5_000,
  expiryMs: 120_000,
};
