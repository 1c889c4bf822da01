import type { Generation, UserId } from '@millrace/kernel';
import type { ConversationSummary, Message } from '@millrace/protocol';
import type { BookedConversation } from '../ledger/ledger-book.ts';
import type { MessageRecord } from '../ledger/ledger-record.ts';
import { sha256Of } from '../sha256.ts';

const SAMPLES_MAX = 20;

/** What is kept of the entry at one seq, as its first reader saw it. */
interface SeenEntry {
  readonly gen: Generation;
  readonly from: UserId | null;
  readonly deviceTag: number;
  readonly n: number;
  readonly msgNo: number;
  readonly countable: boolean;
  readonly body: string | Uint8Array;
}

function sameBody(left: string | Uint8Array, right: string | Uint8Array): boolean {
  if (typeof left === 'string' || typeof right === 'string') return left === right;
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/**
 * Compares what every member reads of one conversation with the ledger, and the members with each other. The
 * conversation shows its whole history to all of its members, so every reader must see the seqs 1, 2, 3 … up to the head.
 *
 * (V1) The first reader to reach a seq has its entry compared with the ledger; all others are compared with that one.
 * (V2) `lost`, `duplicated` and `gaps` hold seqs, each counted once however many members miss it.
 */
export class ConversationCheck {
  readonly name: string;
  readonly expected: ReadonlyMap<number, MessageRecord>;
  readonly lost = new Set<number>();
  readonly duplicated = new Set<number>();
  readonly gaps = new Set<number>();
  /** For people: the first few things that were wrong. */
  readonly samples: string[] = [];
  readonly #seen: SeenEntry[] = [];
  /** Client message id → seq. */
  readonly #ids = new Map<string, number>();
  readonly #lastAcknowledged: number;
  #head = 0;

  constructor(booked: BookedConversation) {
    this.name = booked.record.conversation;
    const expected = new Map<number, MessageRecord>();
    let last = 0;
    for (const message of booked.messages) {
      const other = expected.get(message.seq);
      if (other !== undefined) {
        // Two acknowledgements of one seq: at most one of the messages can be there.
        const older = other.gen < message.gen ? other : message;
        this.#lose(message.seq, `line ${String(older.line)} and another were both acknowledged as`);
      }
      if (other === undefined || other.gen <= message.gen) expected.set(message.seq, message);
      last = Math.max(last, message.seq);
    }
    this.expected = expected;
    this.#lastAcknowledged = last;
  }

  /** The last seq that was acknowledged, or that any reader was shown. */
  get last(): number {
    return Math.max(this.#head, this.#lastAcknowledged);
  }

  sample(text: string): void {
    if (this.samples.length < SAMPLES_MAX) this.samples.push(`${this.name}: ${text}`);
  }

  #lose(seq: number, why: string): void {
    if (this.lost.has(seq)) return;
    this.lost.add(seq);
    this.sample(`${why} seq ${String(seq)}`);
  }

  /** The seqs `from..to` were not shown to a reader. */
  missing(reader: UserId, from: number, to: number): void {
    if (from > to) return;
    this.sample(`${reader} was not shown the seqs ${String(from)} to ${String(to)}`);
    for (let seq = from; seq <= to; seq += 1) {
      this.gaps.add(seq);
      if (this.expected.has(seq)) this.lost.add(seq);
    }
  }

  shown(reader: UserId, message: Message): void {
    const seen = this.#seen[message.seq];
    if (seen === undefined) {
      this.#first(message);
    } else if (
      seen.gen !== message.gen ||
      seen.from !== message.from ||
      seen.n !== message.n ||
      seen.msgNo !== message.msgNo ||
      !sameBody(seen.body, message.body)
    ) {
      this.#lose(message.seq, `${reader} was shown another entry than others at`);
    }
  }

  #first(message: Message): void {
    const { seq, gen, from, deviceTag, n, msgNo, countable, body } = message;
    this.#seen[seq] = { gen, from, deviceTag, n, msgNo, countable, body };
    this.#head = Math.max(this.#head, seq);
    if (n > 0) {
      const id = `${from ?? ''}/${String(deviceTag)}/${String(n)}`;
      const before = this.#ids.get(id);
      if (before === undefined) {
        this.#ids.set(id, seq);
      } else {
        this.duplicated.add(seq);
        this.sample(`seq ${String(seq)} is the same message as seq ${String(before)}`);
      }
    }
    const expected = this.expected.get(seq);
    if (expected === undefined) return;
    const same =
      expected.gen === gen && expected.from === from && expected.n === n && expected.sha256 === sha256Of(body);
    if (!same) this.#lose(seq, `line ${String(expected.line)} is not what stands at`);
  }

  /** What does not fit between a member's summary of the conversation and its history; null when all of it does. */
  summaryFault(member: UserId, summary: ConversationSummary): string | null {
    const head = this.#seen[this.#head];
    if (!summary.member) return 'says that the user is no member';
    if (summary.seq !== this.#head || summary.gen !== head?.gen) {
      return `ends at ${String(summary.gen)}-${String(summary.seq)}, the history at ${String(head?.gen)}-${String(this.#head)}`;
    }
    if (summary.msgNo !== head.msgNo) {
      return `counts ${String(summary.msgNo)} messages, the history ${String(head.msgNo)}`;
    }
    let own = 0;
    for (let seq = summary.readSeq + 1; seq <= this.#head; seq += 1) {
      const entry = this.#seen[seq];
      if (entry?.countable === true && entry.from === member) own += 1;
    }
    if (summary.own !== own) return `has ${String(summary.own)} own messages unread, the history ${String(own)}`;
    const readMsgNo = this.#seen[summary.readSeq]?.msgNo ?? 0;
    if (summary.readMsgNo !== readMsgNo) {
      return `was read up to message ${String(summary.readMsgNo)}, by the history ${String(readMsgNo)}`;
    }
    const unread = summary.msgNo - readMsgNo - own;
    return summary.unread === unread ? null : `has ${String(summary.unread)} unread, not ${String(unread)}`;
  }
}

/** One member's way through one conversation, in rising seq. */
export class HistoryReader {
  readonly #check: ConversationCheck;
  readonly #reader: UserId;
  #next: number;
  #complete = true;

  /** @param first - the seq that this reader's history must begin with. */
  constructor(check: ConversationCheck, reader: UserId, first = 1) {
    this.#check = check;
    this.#reader = reader;
    this.#next = first;
  }

  get next(): number {
    return this.#next;
  }

  shown(message: Message): void {
    if (message.seq < this.#next) {
      this.#complete = false;
      this.#check.duplicated.add(message.seq);
      this.#check.sample(`${this.#reader} was shown seq ${String(message.seq)} twice or out of order`);
      return;
    }
    this.#missing(message.seq - 1);
    this.#next = message.seq + 1;
    this.#check.shown(this.#reader, message);
  }

  #missing(to: number): void {
    if (to >= this.#next) this.#complete = false;
    this.#check.missing(this.#reader, this.#next, to);
  }

  /**
   * The reader has come to the end of the history.
   *
   * @param head - where the server says that it ends.
   * @returns whether this device has every entry once.
   */
  ended(head: number): boolean {
    const last = Math.max(head, this.#check.last);
    this.#missing(last);
    this.#next = Math.max(this.#next, last + 1);
    return this.#complete;
  }
}
