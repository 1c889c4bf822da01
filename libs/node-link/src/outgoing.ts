import { ByteWriter, type NodeId, type Result } from '@millrace/kernel';
import { writeHead, writeRecord, type Before, type Heard, type LinkPlace, type LinkRecord } from './entry.ts';
import { RECORD_BYTES, type LinkLimits, type LinkSum } from './link-limits.ts';

export interface CallError {
  /** `overloaded`: it was not asked, or its answer is lost; try later. `gone`: the node's run is over. */
  readonly code: 'overloaded' | 'gone';
  readonly message: string;
}

export type Answered = (outcome: Result<Uint8Array, CallError>) => void;

interface Asked {
  readonly kind: 'request';
  readonly id: number;
  readonly payload: Uint8Array;
  readonly answered: Answered;
  /** Whether it is in an entry of the present epoch. */
  packed: boolean;
}

/** Here an answer is missing. */
interface Hole {
  readonly kind: 'hole';
}

type Queued = Asked | Hole | Exclude<LinkRecord, { readonly kind: 'request' }>;

const costOf = (record: Queued): number =>
  RECORD_BYTES + (record.kind === 'lost' || record.kind === 'hole' ? 0 : record.payload.length);

/** More queued records than this were sent already: their places are given back. */
const SPENT_MAX = 1_024;

/**
 * What one node has to say to another one, and what it waits to be answered. Pure state: it sends nothing itself.
 *
 * (O1) Records are packed once an epoch, in the order in which they were given. A new epoch begins with the requests
 *      that were packed and are unanswered, in the order of their ids; notes and answers are never packed again.
 * (O2) Every note has a number over all epochs, whether it is packed or lost, and each entry says which numbers it
 *      holds: the receiver sees what it missed.
 * (O3) What is kept is bounded by the limits. A call that does not fit is refused by the caller (`hasRoomFor`), a note
 *      that does not leaves its number behind, an answer that does not leaves a hole. At the hole a new epoch begins as
 *      if an entry had been lost, by which the other side finds out that it has to ask again.
 */
export class Outgoing {
  readonly #limits: LinkLimits;
  readonly #sum: LinkSum;
  readonly #writer = new ByteWriter(1_024);
  /** By id, which rises. */
  readonly #unanswered = new Map<number, Asked>();
  #unansweredBytes = 0;
  /** Of the unanswered ones. */
  #packedCount = 0;
  #queue: Queued[] = [];
  #spent = 0;
  #queuedBytes = 0;
  #epoch: number;
  #seq = 0;
  /** The last entry of the epoch before. */
  #before: LinkPlace | null = null;
  /** `counted` once the other side has heard of this link: until then its count of notes says nothing of ours. */
  #notesBefore: Before['notes'];
  #confirmedSeq = 0;
  /** The last entry of the epoch that tells of notes; 0 for none. */
  #noteSeq = 0;
  /** Packed, lost or to be announced as lost before what is packed next. */
  #notes = 0;
  /** An entry must go even if it holds no record. */
  #owes = false;
  #asks = false;

  constructor(
    epoch: number,
    notesBefore: 'new' | 'forgotten',
    limits: LinkLimits,
    sum: LinkSum = { unansweredBytes: 0, queuedBytes: 0 },
  ) {
    this.#epoch = epoch;
    this.#notesBefore = notesBefore;
    this.#limits = limits;
    this.#sum = sum;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Of the last entry that was packed. */
  get seq(): number {
    return this.#seq;
  }

  get confirmedSeq(): number {
    return this.#confirmedSeq;
  }

  /** Whether notes may have been lost, and only an entry of the other side can tell. */
  get hasUnconfirmedNotes(): boolean {
    return this.#confirmedSeq < this.#noteSeq;
  }

  get unanswered(): number {
    return this.#unanswered.size;
  }

  get unansweredBytes(): number {
    return this.#unansweredBytes;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether requests are under way: their answers can be lost. */
  get awaits(): boolean {
    return this.#packedCount > 0;
  }

  /** Whether a hole comes next: a new epoch must begin before anything else is packed. */
  get isAtHole(): boolean {
    return this.#queue[this.#spent]?.kind === 'hole';
  }

  /** Whether `next` has something to pack. */
  get hasNext(): boolean {
    return this.#owes || this.#asks || this.#spent < this.#queue.length;
  }

  hasRoomFor(payload: Uint8Array): boolean {
    const { unansweredMax, unansweredBytesMax, unansweredBytesOverAllMax } = this.#limits;
    const bytes = RECORD_BYTES + payload.length;
    return (
      this.#unanswered.size < unansweredMax &&
      this.#unansweredBytes + bytes <= unansweredBytesMax &&
      this.#sum.unansweredBytes + bytes <= unansweredBytesOverAllMax &&
      this.#mayQueue(1)
    );
  }

  /** @param id - above all earlier ones. */
  request(id: number, payload: Uint8Array, answered: Answered): void {
    const asked: Asked = { kind: 'request', id, payload, answered, packed: false };
    this.#unanswered.set(id, asked);
    this.#keeps(costOf(asked));
    this.#push(asked);
  }

  /** @returns whether there was room for it. */
  answer(id: number, payload: Uint8Array): boolean {
    const hasRoom = this.#mayQueue(2);
    // Nothing tells an answer that is lost from one that takes long.
    if (hasRoom) this.#push({ kind: 'answer', id, payload });
    else if (this.#queue.at(-1)?.kind !== 'hole') this.#push({ kind: 'hole' });
    return hasRoom;
  }

  /** @returns whether there was room for it. */
  note(payload: Uint8Array): boolean {
    if (this.#mayQueue(1) && payload.length <= this.#limits.payloadBytesMax) {
      this.#push({ kind: 'note', payload });
      return true;
    }
    const last = this.#queue.at(-1);
    if (this.#spent < this.#queue.length && last?.kind === 'lost') {
      this.#queue[this.#queue.length - 1] = { kind: 'lost', count: last.count + 1 };
    } else this.#push({ kind: 'lost', count: 1 });
    return false;
  }

  /** An entry goes to the other side, whatever is in it: it tells what was heard. */
  owe(): void {
    this.#owes = true;
  }

  /** An entry goes to the other side, and asks for one in return. */
  ask(): void {
    this.#asks = true;
  }

  /** The other side has heard everything up to `seq` of the present epoch. */
  confirm(seq: number): void {
    this.#confirmedSeq = Math.max(this.#confirmedSeq, Math.min(seq, this.#seq));
    if (seq > 0) this.#notesBefore = 'counted';
  }

  /** Takes the request that an answer belongs to out of what is unanswered: undefined when it was answered before. */
  settle(id: number): Answered | undefined {
    const asked = this.#unanswered.get(id);
    if (asked === undefined) return undefined;
    this.#unanswered.delete(id);
    this.#keeps(-costOf(asked));
    if (asked.packed) this.#packedCount -= 1;
    return asked.answered;
  }

  /**
   * Begins anew: what was packed and is unanswered goes first (O1).
   *
   * @param isForgotten - whether the other side takes this link for another one.
   */
  restart(epoch: number, isForgotten = false): void {
    if (this.isAtHole) {
      // The number of an entry that there is not.
      this.#seq += 1;
      this.#spent += 1;
      this.#queues(-RECORD_BYTES);
    }
    if (this.#seq > 0) this.#before = { epoch: this.#epoch, seq: this.#seq };
    if (isForgotten) this.#notesBefore = 'forgotten';
    // The first entry tells how many there were.
    this.#noteSeq = this.hasUnconfirmedNotes ? 1 : 0;
    this.#epoch = epoch;
    this.#seq = 0;
    this.#confirmedSeq = 0;
    const again = [...this.#unanswered.values()].filter(({ packed }) => packed);
    for (const asked of again) {
      asked.packed = false;
      this.#queues(costOf(asked));
    }
    this.#packedCount = 0;
    this.#queue = [...again, ...this.#queue.slice(this.#spent)];
    this.#spent = 0;
    this.#owes = true;
  }

  /** The next entry, as much as fits, or null when there is nothing to say. */
  next(from: NodeId, heard: Heard | null): Uint8Array | null {
    if (!this.hasNext) return null;
    this.#seq += 1;
    const writer = this.#writer.reset();
    writeHead(writer, {
      from,
      epoch: this.#epoch,
      seq: this.#seq,
      before: this.#seq === 1 ? { place: this.#before, notes: this.#notesBefore } : null,
      notesBefore: this.#notes,
      heard,
      asks: this.#asks,
    });
    this.#owes = false;
    this.#asks = false;
    this.#pack(writer);
    return writer.finish().slice();
  }

  /** Everything that is unanswered, which is not kept any longer. */
  end(): readonly Answered[] {
    const waiting = [...this.#unanswered.values()].map(({ answered }) => answered);
    this.#unanswered.clear();
    this.#queue = [];
    this.#spent = 0;
    this.#keeps(-this.#unansweredBytes);
    this.#queues(-this.#queuedBytes);
    this.#packedCount = 0;
    return waiting;
  }

  #keeps(bytes: number): void {
    this.#unansweredBytes += bytes;
    this.#sum.unansweredBytes += bytes;
  }

  #queues(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#sum.queuedBytes += bytes;
  }

  /** Whether the bounds on what waits, so many times, leave room. */
  #mayQueue(times: number): boolean {
    const { queuedBytesMax, queuedBytesOverAllMax } = this.#limits;
    return this.#queuedBytes < times * queuedBytesMax && this.#sum.queuedBytes < times * queuedBytesOverAllMax;
  }

  #push(record: Queued): void {
    this.#queue.push(record);
    this.#queues(costOf(record));
  }

  #pack(writer: ByteWriter): void {
    for (let isFirst = true; this.#spent < this.#queue.length; this.#spent += 1) {
      const record = this.#queue[this.#spent];
      if (record === undefined || record.kind === 'hole') break;
      const cost = costOf(record);
      const isAnswered = record.kind === 'request' && !this.#unanswered.has(record.id);
      if (!isAnswered) {
        if (!isFirst && writer.length + cost > this.#limits.entryBytesMax) break;
        isFirst = false;
        writeRecord(writer, record);
        if (record.kind === 'note' || record.kind === 'lost') {
          this.#notes += record.kind === 'note' ? 1 : record.count;
          this.#noteSeq = this.#seq;
        } else if (record.kind === 'request') {
          record.packed = true;
          this.#packedCount += 1;
        }
      }
      this.#queues(-cost);
    }
    if (this.#spent < this.#queue.length && this.#spent <= SPENT_MAX) return;
    this.#queue = this.#queue.slice(this.#spent);
    this.#spent = 0;
  }
}
