import { generation, sequenceId, type PartitionId, type Timers } from '@millrace/kernel';
import type { ByteBudget, Position, RangeQuery, TimelineEntry } from '@millrace/timeline';
import { Cluster } from 'ioredis';
import type { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import { readByFunction } from './function-library.ts';
import { Packer } from './pack.ts';
import { SHORT_SEQ_MAX } from './short-timeline.ts';
import { Unpacker } from './unpack.ts';

export interface RangeReadsParts {
  readonly reads: Connection;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

/** Entries that one call may be asked for, if it is for more than one range: about a millisecond of Redis. */
const ENTRIES_PER_CALL = 500;
/** Of each range, in what is packed for the function. */
const VALUES_PER_RANGE = 7;
/** Without a budget. Lua knows whole numbers up to here. */
const BYTES_ANY = Number.MAX_SAFE_INTEGER;

const idOf = ({ gen, seq }: Position): string => `${String(gen)}-${String(seq)}`;

interface Settle {
  readonly resolve: (entries: readonly TimelineEntry[]) => void;
  readonly reject: (error: unknown) => void;
}

/** One range, as far as it was read. */
class Reading {
  readonly partition: PartitionId;
  readonly key: string;
  readonly budget: ByteBudget | null;
  readonly #command: 'XRANGE' | 'XREVRANGE';
  readonly #last: string;
  readonly #mayBeShort: boolean;
  readonly #entries: TimelineEntry[] = [];
  readonly #settle: Settle;
  #first: string;
  #left: number;
  #failure: Error | null = null;

  constructor(partition: PartitionId, key: string, query: RangeQuery, settle: Settle) {
    const { from, to, limit, direction, budget = null } = query;
    const isForward = direction === 'forward';
    this.partition = partition;
    this.key = key;
    this.budget = budget;
    this.#command = isForward ? 'XRANGE' : 'XREVRANGE';
    this.#first = idOf(isForward ? from : to);
    this.#last = idOf(isForward ? to : from);
    this.#mayBeShort = from.seq <= SHORT_SEQ_MAX;
    this.#left = limit;
    this.#settle = settle;
  }

  /** Entries that are still wanted. */
  get left(): number {
    return this.#left;
  }

  /** As functions/read-ranges.lua describes it. */
  pack(packer: Packer, budget: number): void {
    packer.text(this.key).text(this.#first).text(this.#last).count(this.#left).text(this.#command).count(budget);
    packer.count(this.#mayBeShort ? 1 : 0);
  }

  /** @returns the bytes of data that were there. */
  take(unpacker: Unpacker): number {
    if (unpacker.isAtText) {
      this.#failure = new Error(unpacker.bytes().toString());
      this.#left = 0;
      return 0;
    }
    let bytes = 0;
    const count = unpacker.count();
    for (let index = 0; index < count; index += 1) {
      const [gen, seq] = unpacker.id();
      const data = unpacker.bytes();
      bytes += data.length;
      this.#entries.push({ gen: generation(gen), seq: sequenceId(seq), data });
    }
    this.#left -= count;
    const last = this.#entries.at(-1);
    if (last !== undefined) this.#first = `(${idOf(last)}`;
    return bytes;
  }

  done(): void {
    if (this.#failure === null) this.#settle.resolve(this.#entries);
    else this.#settle.reject(this.#failure);
  }

  fail(error: unknown): void {
    this.#settle.reject(error);
  }
}

/** What draws on one budget. */
interface Line {
  waiting: Reading[];
  /** Calls that are under way. */
  calls: number;
}

/** One call, and what each of its budgets has for it. */
interface Call {
  readonly readings: Reading[];
  readonly shares: Map<ByteBudget | null, number>;
}

/**
 * Reads ranges of Timelines, those of one turn of the event loop together: one call of functions/read-ranges.lua brings many
 * of them as one text. Taken apart here, that is a good deal cheaper than as many replies.
 *
 * (R1) A call is for about a millisecond of Redis, so that others come in between, but for a single longer range.
 * (R2) A call reaches one partition in a Cluster, whose keys share their hash tag, and whichever there are without one.
 * (R3) What is read of a budget (I9) is what it has, and one entry for each call at most: calls that draw on it follow on
 *      each other, or share what is left. Only a spent budget ends a read early.
 */
export class RangeReads {
  readonly #parts: RangeReadsParts;
  readonly #packer = new Packer();
  /** Without a budget. */
  #free: Reading[] = [];
  readonly #lines = new Map<ByteBudget, Line>();
  #isDue = false;

  constructor(parts: RangeReadsParts) {
    this.#parts = parts;
  }

  /** Rejects with whatever Redis, or the way to it, had to say. */
  read(partition: PartitionId, key: string, query: RangeQuery): Promise<readonly TimelineEntry[]> {
    return new Promise((resolve, reject) => {
      const reading = new Reading(partition, key, query, { resolve, reject });
      if (reading.budget === null) this.#free.push(reading);
      else {
        const line = this.#lines.get(reading.budget);
        if (line === undefined) this.#lines.set(reading.budget, { waiting: [reading], calls: 0 });
        else line.waiting.push(reading);
      }
      this.#sendSoon();
    });
  }

  #sendSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#parts.timers.soon(() => {
      this.#isDue = false;
      this.#send();
    });
  }

  #send(): void {
    const readings = this.#free;
    this.#free = [];
    // A line whose budget is spent has been told so when its last call ended.
    for (const line of this.#lines.values()) if (line.calls === 0) readings.push(...takeSome(line));
    const calls = this.#callsOf(readings);
    for (const { shares } of calls) {
      for (const budget of shares.keys()) {
        const line = budget === null ? undefined : this.#lines.get(budget);
        if (line !== undefined) line.calls += 1;
      }
    }
    for (const call of calls) {
      for (const budget of call.shares.keys()) {
        const among = budget === null ? 1 : (this.#lines.get(budget)?.calls ?? 1);
        call.shares.set(budget, budget === null ? BYTES_ANY : Math.ceil(budget.left / among));
      }
    }
    for (const call of calls) void this.#carry(call);
  }

  #callsOf(readings: readonly Reading[]): readonly Call[] {
    const inCluster = this.#parts.reads.client instanceof Cluster;
    const calls: Call[] = [];
    const open = new Map<PartitionId | null, Call & { entries: number }>();
    for (const reading of readings) {
      const place = inCluster ? reading.partition : null;
      let call = open.get(place);
      if (call === undefined || call.entries + reading.left > ENTRIES_PER_CALL) {
        call = { readings: [], shares: new Map(), entries: 0 };
        open.set(place, call);
        calls.push(call);
      }
      call.readings.push(reading);
      call.shares.set(reading.budget, 0);
      call.entries += reading.left;
    }
    return calls;
  }

  async #carry(call: Call): Promise<void> {
    try {
      this.#took(call, await this.#ask(call));
    } catch (error) {
      for (const reading of call.readings) reading.fail(error);
    }
    for (const budget of call.shares.keys()) if (budget !== null) this.#callEnded(budget);
  }

  #ask({ readings, shares }: Call): Promise<Buffer> {
    const { reads, timers, answerMsMax } = this.#parts;
    const places = new Map([...shares.keys()].map((budget, index) => [budget, index + 1]));
    this.#packer.array(readings.length * VALUES_PER_RANGE);
    for (const reading of readings) reading.pack(this.#packer, places.get(reading.budget) ?? 1);
    const ranges = this.#packer.take();
    this.#packer.array(shares.size);
    for (const share of shares.values()) this.#packer.text(String(share));
    const key = readings[0]?.key ?? '';
    const reply = readByFunction(reads.client, 'read_ranges', [key], [ranges, this.#packer.take()]);
    return answerWithin(timers, answerMsMax, reply);
  }

  #took({ readings, shares }: Call, reply: Buffer): void {
    const unpacker = new Unpacker(reply);
    unpacker.array();
    for (const reading of readings) {
      const { budget } = reading;
      const bytes = reading.take(unpacker);
      budget?.draw(bytes);
      const share = (shares.get(budget) ?? 0) - bytes;
      shares.set(budget, share);
      // Found to be shorter, or all there: else its share did not suffice.
      if (reading.left === 0 || share > 0 || budget === null) reading.done();
      else this.#lines.get(budget)?.waiting.push(reading);
    }
  }

  #callEnded(budget: ByteBudget): void {
    const line = this.#lines.get(budget);
    if (line === undefined) return;
    line.calls -= 1;
    if (line.calls > 0) return;
    if (budget.isSpent) for (const reading of line.waiting.splice(0)) reading.done();
    if (line.waiting.length > 0) this.#sendSoon();
    else this.#lines.delete(budget);
  }
}

/** As many of a budget as one call may be asked for, and one at least. */
function takeSome(line: Line): readonly Reading[] {
  let entries = 0;
  const over = line.waiting.findIndex(({ left }, index) => {
    entries += left;
    return index > 0 && entries > ENTRIES_PER_CALL;
  });
  return line.waiting.splice(0, over < 0 ? line.waiting.length : over);
}
