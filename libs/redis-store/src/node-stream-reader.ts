import type { Cancel, Clock, NodeId, Random, Timers } from '@millrace/kernel';
import type { Reader } from '@millrace/node-link';
import type { Connection } from './connection.ts';
import { answerWithin, DeadlineExceeded } from './deadline.ts';
import { callFunction } from './function-library.ts';
import type { KeyLayout } from './key-layout.ts';
import type { NodeStreamLimits } from './node-stream-limits.ts';

export interface NodeStreamReaderParts {
  readonly node: NodeId;
  readonly take: (entries: readonly Uint8Array[]) => void;
  /** Its own: a read that waits holds up everything behind it. */
  readonly reads: Connection;
  /** For what is said about the stream meanwhile. */
  readonly calls: Connection;
  readonly layout: KeyLayout;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: NodeStreamLimits;
  readonly answerMsMax: number;
}

/** An entry as XREAD answers it: its id, and one field named by the bytes that were added up to its end. */
type ReadEntry = readonly [id: Buffer, fields: readonly Buffer[]];

/** Where the reader is: the last entry that it took. */
interface Cursor {
  readonly id: string;
  readonly added: string;
}

const BEGINNING: Cursor = { id: '0-1', added: '0' };
const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 250;
/** What was taken is trimmed when it comes to this share of a bound, or when nothing has come for a while. */
const TRIM_SHARE = 1 / 16;

/** The arguments of hold_node_stream that say where the reader is. */
function placeArguments({ id, added }: Cursor): readonly string[] {
  const [first = '0', second = '0'] = id.split('-');
  return [first, second, `${first}-${String(Number(second) + 1)}`, added];
}

/**
 * Reads one stream from its cursor, by one blocking read behind the other.
 *
 * (R1) Each entry is taken once and in order: the cursor moves with the entries, and nothing but a loss of the store
 *      moves it back.
 * (R2) After a read that failed nothing is read before the store has said that the stream is still there and not behind
 *      the cursor. Else it is created anew, and `onReset` tells.
 * (R3) At most one `hold` is under way, so that the place that the store knows does not go back.
 */
export class NodeStreamReader implements Reader {
  readonly #parts: NodeStreamReaderParts;
  readonly #resets = new Set<() => void>();
  #run: string;
  #cursor = BEGINNING;
  #isSuspect = false;
  #closed = false;
  #attempts = 0;
  #holding: Promise<unknown> | null = null;
  #heldMs: number;
  #entriesToTrim = 0;
  #bytesToTrim = 0;
  /** Ends a pause. */
  #resume: Cancel | null = null;
  #ended: Promise<void> = Promise.resolve();
  #forgetCalls: () => void = () => undefined;

  private constructor(parts: NodeStreamReaderParts, run: string) {
    this.#parts = parts;
    this.#run = run;
    this.#heldMs = parts.clock.monotonicMs();
  }

  /** Creates the stream and begins to read it. @throws what the store answers, when it does not do so. */
  static async open(parts: NodeStreamReaderParts): Promise<NodeStreamReader> {
    const reader = new NodeStreamReader(parts, '');
    await reader.#create();
    // Both are needed to go on. The one that carries calls outlives this reader.
    const goOn = (): void => {
      reader.#attempts = 0;
      reader.#resume?.();
    };
    parts.reads.onReconnect(goOn);
    reader.#forgetCalls = parts.calls.onReconnect(goOn);
    reader.#ended = reader.#loop();
    return reader;
  }

  onReset(listener: () => void): () => void {
    this.#resets.add(listener);
    return () => this.#resets.delete(listener);
  }

  /** Stops. What is left in Redis expires, unless somebody deletes it. */
  async stop(): Promise<void> {
    this.#closed = true;
    this.#forgetCalls();
    this.#resume?.();
    this.#parts.reads.close();
    await this.#ended;
    await this.#holding;
  }

  async close(): Promise<void> {
    await this.stop();
    const { calls, layout, node, timers, answerMsMax } = this.#parts;
    try {
      const keys = [layout.nodeStream(node), layout.openNodeStream(node)];
      await answerWithin(timers, answerMsMax, calls.client.unlink(...keys));
    } catch {
      // Nothing to do: a stream that could not be deleted expires.
    }
  }

  async #loop(): Promise<void> {
    while (!this.#closed) {
      const isDone = this.#isSuspect ? await this.#verify() : await this.#read();
      if (isDone) this.#attempts = 0;
      else await this.#pause();
    }
  }

  /** One read. @returns whether it was answered. */
  async #read(): Promise<boolean> {
    const { reads, timers, limits, answerMsMax, layout, node, clock } = this.#parts;
    const { blockMs, readEntriesMax } = limits;
    let entries: readonly ReadEntry[];
    try {
      const key = layout.nodeStream(node);
      const call = reads.client.xreadBuffer('COUNT', readEntriesMax, 'BLOCK', blockMs, 'STREAMS', key, this.#cursor.id);
      const answer = await answerWithin(timers, blockMs + answerMsMax, call);
      entries = (answer as readonly [Buffer, readonly ReadEntry[]][] | null)?.[0]?.[1] ?? [];
    } catch (error) {
      this.#isSuspect = true;
      if (error instanceof DeadlineExceeded) reads.reset();
      return false;
    }
    // Whether the stream that was read is the one that was meant is to be found out first.
    if (this.#isSuspect || this.#closed) return true;
    this.#takeAll(entries);
    if (entries.length === 0) this.#isSuspect = (await this.#hold()) !== 'held';
    else if (this.#holding === null && this.#isHoldDue(clock.monotonicMs())) void this.#holdMeanwhile();
    return true;
  }

  #takeAll(entries: readonly ReadEntry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#cursor = { id: last[0].toString('latin1'), added: last[1][0]?.toString('latin1') ?? '0' };
    const taken = entries.map(([, fields]) => fields[1] ?? Buffer.alloc(0));
    this.#entriesToTrim += taken.length;
    for (const entry of taken) this.#bytesToTrim += entry.length;
    this.#parts.take(taken);
  }

  #isHoldDue(nowMs: number): boolean {
    const { bounds, blockMs } = this.#parts.limits;
    return (
      this.#entriesToTrim >= bounds.entriesMax * TRIM_SHARE ||
      this.#bytesToTrim >= bounds.bytesMax * TRIM_SHARE ||
      nowMs - this.#heldMs >= blockMs
    );
  }

  async #holdMeanwhile(): Promise<void> {
    if ((await this.#hold()) !== 'lost' || this.#closed) return;
    this.#isSuspect = true;
    // The read that waits now may wait for a stream that is not there.
    this.#parts.reads.reset();
  }

  /** Says where it is, and trims up to there. Null when nobody answered. */
  async #hold(): Promise<'held' | 'lost' | null> {
    await this.#holding;
    const { calls, layout, node, timers, clock, limits, answerMsMax } = this.#parts;
    const keys = [layout.nodeStream(node), layout.openNodeStream(node)];
    const args = [this.#run, ...placeArguments(this.#cursor), String(limits.expiryMs)];
    const [entries, bytes] = [this.#entriesToTrim, this.#bytesToTrim];
    const call = answerWithin(timers, answerMsMax, callFunction(calls.client, 'hold_node_stream', keys, args)).then(
      (answer) => (answer === 'held' ? 'held' : 'lost'),
      () => null,
    );
    this.#holding = call;
    const answer = await call;
    this.#holding = null;
    if (answer === 'held') {
      this.#heldMs = clock.monotonicMs();
      this.#entriesToTrim -= entries;
      this.#bytesToTrim -= bytes;
    }
    return answer;
  }

  /** Finds out whether the stream is still there, and creates it where it is not. @returns whether it is there now. */
  async #verify(): Promise<boolean> {
    const held = await this.#hold();
    if (held === 'lost' && !this.#closed) {
      try {
        await this.#create();
      } catch {
        return false;
      }
      for (const listener of this.#resets) listener();
    } else if (held !== 'held') return false;
    this.#isSuspect = false;
    return true;
  }

  async #create(): Promise<void> {
    const { calls, layout, node, timers, random, limits, answerMsMax } = this.#parts;
    const { bounds, expiryMs } = limits;
    const run = random.id();
    const keys = [layout.nodeStream(node), layout.openNodeStream(node)];
    const args = [run, String(bounds.entriesMax), String(bounds.bytesMax), String(expiryMs)];
    await answerWithin(timers, answerMsMax, callFunction(calls.client, 'open_node_stream', keys, args));
    this.#run = run;
    this.#cursor = BEGINNING;
    this.#entriesToTrim = 0;
    this.#bytesToTrim = 0;
  }

  /** Until the connection is back, or for a while, doubled with each attempt. */
  #pause(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const { timers, random } = this.#parts;
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.#attempts, 16));
    this.#attempts += 1;
    return new Promise((resolve) => {
      const cancel = timers.after(delayMs * (0.5 + random.fraction() / 2), () => this.#resume?.());
      this.#resume = () => {
        cancel();
        this.#resume = null;
        resolve();
      };
    });
  }
}
