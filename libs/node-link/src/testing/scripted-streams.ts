import { ok, type NodeId, type Result } from '@millrace/kernel';
import type { NodeStreams, Reader, SendAnswer } from '../node-streams.ts';

interface Stream {
  take: (entries: readonly Uint8Array[]) => void;
  readonly resets: Set<() => void>;
}

/** What becomes of one send. `lost`: it is answered `sent`, and never read. `added`: it is read, the reply is lost. */
export type Fate = 'sent' | 'full' | 'gone' | 'unavailable' | 'unknown' | 'lost' | 'added';

/** Streams that do with each send what the test has scripted, and else read it at once. */
export class ScriptedStreams implements NodeStreams {
  readonly #streams = new Map<NodeId, Stream>();
  /** The next sends to a node; empty stands for `sent`. */
  readonly fates = new Map<NodeId, Fate[]>();
  /** Every entry that was given to a send, with its destination. */
  readonly sends: { readonly to: NodeId; readonly entry: Uint8Array }[] = [];

  open(node: NodeId, take: Stream['take']): Promise<Result<Reader, never>> {
    const stream: Stream = { take, resets: new Set() };
    this.#streams.set(node, stream);
    return Promise.resolve(
      ok({
        onReset: (listener: () => void) => {
          stream.resets.add(listener);
          return () => stream.resets.delete(listener);
        },
        close: async () => {
          await this.discard(node);
        },
      }),
    );
  }

  send(to: NodeId, entry: Uint8Array): Promise<SendAnswer> {
    this.sends.push({ to, entry });
    const fate = this.fates.get(to)?.shift() ?? 'sent';
    const stream = this.#streams.get(to);
    if (stream === undefined || fate === 'gone') return Promise.resolve({ code: 'gone' });
    if (fate === 'sent' || fate === 'added') stream.take([entry]);
    if (fate === 'full') return Promise.resolve({ code: fate });
    if (fate === 'sent' || fate === 'lost') return Promise.resolve({ code: 'sent' });
    return Promise.resolve({ code: fate === 'added' ? 'unknown' : fate, message: 'as scripted' });
  }

  discard(node: NodeId): Promise<Result<null, never>> {
    this.#streams.delete(node);
    return Promise.resolve(ok(null));
  }

  /** Hands an entry to a node's reader, as if somebody had sent it. */
  deliver(node: NodeId, entry: Uint8Array): void {
    this.#streams.get(node)?.take([entry]);
  }

  /** Tells a node's reader that its stream was created anew. */
  reset(node: NodeId): void {
    for (const listener of this.#streams.get(node)?.resets ?? []) listener();
  }
}
