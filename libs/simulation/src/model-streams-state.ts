import type { NodeId } from '@millrace/kernel';
import type { StreamBounds } from '@millrace/node-link';

/** What changes streams. A crash of the store loses the last ones. */
export type StreamOperation =
  | { readonly kind: 'open'; readonly node: NodeId; readonly run: number }
  | { readonly kind: 'add'; readonly node: NodeId; readonly id: number; readonly entry: Uint8Array }
  | { readonly kind: 'trim'; readonly node: NodeId; readonly upTo: number }
  | { readonly kind: 'delete'; readonly node: NodeId };

export interface ModelEntry {
  readonly id: number;
  readonly entry: Uint8Array;
}

interface ModelStream {
  readonly run: number;
  lastId: number;
  entries: ModelEntry[];
  bytes: number;
}

/** The streams as the operations so far have left them. */
export class ModelStreamsState {
  readonly #streams = new Map<NodeId, ModelStream>();

  /** Another state that is the same now. */
  copy(): ModelStreamsState {
    const copy = new ModelStreamsState();
    for (const [node, stream] of this.#streams) copy.#streams.set(node, { ...stream, entries: [...stream.entries] });
    return copy;
  }

  /** How many streams there are. */
  get count(): number {
    return this.#streams.size;
  }

  apply(operation: StreamOperation): void {
    const { node } = operation;
    const stream = this.#streams.get(node);
    switch (operation.kind) {
      case 'open':
        this.#streams.set(node, { run: operation.run, lastId: 0, entries: [], bytes: 0 });
        return;
      case 'add':
        if (stream === undefined) return;
        stream.lastId = operation.id;
        stream.entries.push({ id: operation.id, entry: operation.entry });
        stream.bytes += operation.entry.length;
        return;
      case 'trim':
        if (stream === undefined) return;
        stream.entries = stream.entries.filter(({ id }) => id > operation.upTo);
        stream.bytes = stream.entries.reduce((sum, { entry }) => sum + entry.length, 0);
        return;
      default:
        this.#streams.delete(node);
    }
  }

  /** Whether one more entry would be added. */
  admits(node: NodeId, { entriesMax, bytesMax }: StreamBounds): 'sent' | 'full' | 'gone' {
    const stream = this.#streams.get(node);
    if (stream === undefined) return 'gone';
    return stream.entries.length < entriesMax && stream.bytes < bytesMax ? 'sent' : 'full';
  }

  /** Whether it is the stream of that run, and not behind what its reader has taken. */
  holds(node: NodeId, run: number, cursor: number): boolean {
    const stream = this.#streams.get(node);
    return stream?.run === run && stream.lastId >= cursor;
  }

  after(node: NodeId, run: number, cursor: number): readonly ModelEntry[] {
    const stream = this.#streams.get(node);
    return stream?.run === run ? stream.entries.filter(({ id }) => id > cursor) : [];
  }

  /** Entries in all streams. */
  get size(): number {
    let size = 0;
    for (const { entries } of this.#streams.values()) size += entries.length;
    return size;
  }
}
