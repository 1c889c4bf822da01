import { err, invariant, ok, type Clock, type NodeId, type Random, type Result, type Timers } from '@millrace/kernel';
import type { NodeStreams, Reader, SendAnswer, StreamError } from '@millrace/node-link';
import type { Connection } from './connection.ts';
import { answerWithin, DeadlineExceeded } from './deadline.ts';
import { callFunction } from './function-library.ts';
import type { KeyLayout } from './key-layout.ts';
import type { NodeStreamLimits } from './node-stream-limits.ts';
import { NodeStreamReader } from './node-stream-reader.ts';
import { messageOf, troubleOf } from './store-errors.ts';

export interface RedisNodeStreamsParts {
  /** Carries what is added to streams; no commit or page holds it up. */
  readonly connection: Connection;
  /** For a reader: a read that waits holds up everything behind it. */
  openConnection(this: void): Connection;
  readonly layout: KeyLayout;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: NodeStreamLimits;
  readonly answerMsMax: number;
}

interface Waiting {
  readonly entry: Uint8Array;
  readonly resolve: (answer: SendAnswer) => void;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * {@link NodeStreams} on Redis.
 *
 * (S1) What is sent to a node in one turn of the event loop is one call, so it is added together and in order.
 * (S2) `send` never rejects and executes at most once (I5): the one thing that is ever sent again is a call that Redis
 *      refused because the function was not loaded.
 */
export class RedisNodeStreams implements NodeStreams {
  readonly #parts: RedisNodeStreamsParts;
  readonly #readers = new Set<NodeStreamReader>();
  #queue = new Map<NodeId, Waiting[]>();
  #bytes = 0;

  constructor(parts: RedisNodeStreamsParts) {
    this.#parts = parts;
  }

  async open(node: NodeId, take: (entries: readonly Uint8Array[]) => void): Promise<Result<Reader, StreamError>> {
    const { connection, openConnection, timers, answerMsMax, ...others } = this.#parts;
    const reads = openConnection();
    try {
      await answerWithin(timers, answerMsMax, reads.firstReady());
      const parts = { ...others, node, take, reads, calls: connection, timers, answerMsMax };
      const reader = await NodeStreamReader.open(parts);
      this.#readers.add(reader);
      return ok({
        onReset: (listener) => reader.onReset(listener),
        close: () => {
          this.#readers.delete(reader);
          return reader.close();
        },
      });
    } catch (error) {
      reads.close();
      return err({ code: 'unavailable', message: `the stream of ${node} could not be opened: ${messageOf(error)}` });
    }
  }

  send(to: NodeId, entry: Uint8Array): Promise<SendAnswer> {
    invariant(entry.length > 0, 'an entry of a stream holds something');
    const { connection, limits, timers } = this.#parts;
    if (!connection.ready) return Promise.resolve({ code: 'unavailable', message: 'Redis is not reachable' });
    if (this.#bytes >= limits.queuedBytesMax)
      return Promise.resolve({ code: 'unavailable', message: 'too much waits to be added to streams' });
    this.#bytes += entry.length;
    return new Promise((resolve) => {
      const isFirst = this.#queue.size === 0;
      const waiting = this.#queue.get(to);
      if (waiting === undefined) this.#queue.set(to, [{ entry, resolve }]);
      else waiting.push({ entry, resolve });
      if (isFirst) timers.soon(() => this.#flush());
    });
  }

  async discard(node: NodeId): Promise<Result<null, StreamError>> {
    const { connection, layout, timers, answerMsMax } = this.#parts;
    try {
      const keys = [layout.nodeStream(node), layout.openNodeStream(node)];
      await answerWithin(timers, answerMsMax, connection.client.unlink(...keys));
      return ok(null);
    } catch (error) {
      return err({ code: 'unavailable', message: `the stream of ${node} may still be there: ${messageOf(error)}` });
    }
  }

  /** Ends the reading of every stream of this process, as a process does that ends: the streams expire. */
  close(): void {
    for (const reader of this.#readers) void reader.stop();
    this.#readers.clear();
  }

  #flush(): void {
    const queue = this.#queue;
    this.#queue = new Map();
    for (const [to, waiting] of queue) void this.#add(to, waiting);
  }

  async #add(to: NodeId, waiting: readonly Waiting[]): Promise<void> {
    const { connection, layout, timers, answerMsMax } = this.#parts;
    const answerAll = (answerOf: (index: number) => SendAnswer): void => {
      waiting.forEach(({ entry, resolve }, index) => {
        this.#bytes -= entry.length;
        resolve(answerOf(index));
      });
    };
    if (!connection.ready) {
      answerAll(() => ({ code: 'unavailable', message: 'Redis is not reachable' }));
      return;
    }
    try {
      const keys = [layout.nodeStream(to), layout.openNodeStream(to)];
      const entries = waiting.map(({ entry }) => asBuffer(entry));
      const call = callFunction(connection.client, 'add_to_node_stream', keys, entries);
      const added = Number(await answerWithin(timers, answerMsMax, call));
      answerAll((index) => ({ code: added < 0 ? 'gone' : index < added ? 'sent' : 'full' }));
    } catch (error) {
      const { kind, message } = troubleOf(error);
      answerAll(() => ({ code: kind === 'refused' ? 'unavailable' : 'unknown', message }));
      // Nothing sent behind it would be answered sooner.
      if (error instanceof DeadlineExceeded) connection.reset();
    }
  }
}
