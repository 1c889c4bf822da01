import type { ConversationId, Generation, SequenceId } from '@millrace/kernel';
import type { FrameError, Mentions, MessagePlace, SendableType } from '@millrace/protocol';

/** What is to become of a message that is there. */
export interface OutboxChange {
  /** `body` is then what it says, the emoji, or why it is recalled. */
  readonly op: 'edit' | 'recall' | 'react' | 'unreact';
  readonly seq: SequenceId;
  /** The generation of the message as the device has it; left out when it has it no more. */
  readonly gen?: Generation;
}

/** One message on its way, or one change of a message: then `body` is what an edit says. */
export interface OutboxEntry extends Mentions {
  /** Order over all conversations, for ever. */
  readonly serial: number;
  readonly conversation: ConversationId;
  readonly type: SendableType;
  readonly body: string | Uint8Array;
  readonly sentAt: number;
  readonly change?: OutboxChange;
  /** The message that it answers. */
  readonly replyTo?: SequenceId;
  /** The message that is forwarded: then `body` is empty. */
  readonly source?: MessagePlace;
  /** Its own, for ever. */
  readonly n: number;
  /** The number that it was last sent to follow; below `n` − 1 it skips what is between. */
  after: number;
  /** Whether it was sent, or may have been by an earlier run. */
  sent: boolean;
  /** Sent on this connection, and not answered. */
  inFlight: boolean;
  /** Stored: only then may it be sent. */
  durable: boolean;
}

export interface OutboxLimits {
  /** Unanswered sends of one conversation. */
  readonly windowMax: number;
  /** Unanswered sends of all conversations. */
  readonly inFlightMax: number;
}

interface Queue {
  readonly conversation: ConversationId;
  entries: OutboxEntry[];
  /** The counter of the next new message. */
  next: number;
  inFlight: number;
  /** Answered, but the storage still has them. They count into the window, see (O4). */
  undeleted: number;
  /** Nothing new goes out until every answer is here; then the queue is sent again from its front. */
  rewinding: boolean;
  /** The last number that the server is known to have accepted: a hint, which its answers put right. */
  last: number | null;
  /** Monotonic ms before which nothing is sent. */
  pausedUntilMs: number;
  /** Rewinds without an ack in between. */
  failures: number;
}

/** What the outbox must have written, and then calls {@link Outbox.stored}. */
export interface OutboxChanges {
  /** The entry as it is now. */
  entry(entry: OutboxEntry): void;
  gone(entry: OutboxEntry): void;
  /** The counter of the next new message. */
  counter(conversation: ConversationId, next: number): void;
}

/**
 * The messages that have no ack yet, and the send counters (I4).
 *
 * (O1) Within a conversation messages are sent, and so stored by the server, in the order of `add`.
 * (O2) A counter is never used for two messages, whatever became of the first: a copy of it may be under way yet. A
 *      message is sent only after it, and the counter of the next one, were stored here.
 * (O3) A message skips only numbers whose messages are not in the outbox: what is to be sent yet is never skipped.
 * (O4) An entry in the storage is less than a window behind what was sent, so that the server still remembers its
 *      answer when a restart sends it again.
 */
export class Outbox {
  readonly #queues = new Map<ConversationId, Queue>();
  readonly #active = new Set<Queue>();
  readonly #changes: OutboxChanges;
  readonly #delayMs: (failures: number) => number;
  #serial = 0;
  #size = 0;
  #inFlight = 0;

  /** @param delayMs - how long to wait after so many failures in a row without a success, from 1. */
  constructor(changes: OutboxChanges, delayMs: (failures: number) => number) {
    this.#changes = changes;
    this.#delayMs = delayMs;
  }

  /** Entries that wait or are in flight. */
  get size(): number {
    return this.#size;
  }

  /** Whether any counter was ever given away. */
  get used(): boolean {
    return this.#queues.size > 0;
  }

  /** Brings back what the storage had: entries in order of serial, and the counters. */
  restore(entries: readonly OutboxEntry[], counters: ReadonlyMap<ConversationId, number>): void {
    for (const [conversation, next] of counters) this.#queue(conversation).next = next;
    for (const entry of entries) {
      const queue = this.#queue(entry.conversation);
      queue.entries.push(entry);
      queue.next = Math.max(queue.next, entry.n + 1);
      this.#serial = Math.max(this.#serial, entry.serial);
      this.#size += 1;
      this.#active.add(queue);
    }
  }

  add(
    conversation: ConversationId,
    type: SendableType,
    body: string | Uint8Array,
    sentAt: number,
    more: Mentions & Pick<OutboxEntry, 'change' | 'replyTo' | 'source'> = {},
  ): OutboxEntry {
    const queue = this.#queue(conversation);
    this.#serial += 1;
    const fixed = { serial: this.#serial, conversation, type, body, sentAt, ...more };
    const entry: OutboxEntry = {
      ...fixed,
      n: queue.next,
      after: queue.next - 1,
      sent: false,
      inFlight: false,
      durable: false,
    };
    queue.next += 1;
    queue.entries.push(entry);
    this.#size += 1;
    this.#active.add(queue);
    this.#changes.counter(conversation, queue.next);
    this.#changes.entry(entry);
    return entry;
  }

  /** True while a message of the conversation may be stored by the server without an ack that came back. */
  pending(conversation: ConversationId): boolean {
    // They go out in order: when the first one was not sent, none was.
    return this.#queues.get(conversation)?.entries[0]?.sent === true;
  }

  /** Marks as in flight, and returns, what may be sent now. */
  take(nowMs: number, { windowMax, inFlightMax }: OutboxLimits): readonly OutboxEntry[] {
    const taken: OutboxEntry[] = [];
    for (const queue of this.#active) {
      if (queue.entries.length === 0) this.#active.delete(queue);
      if (queue.rewinding || queue.pausedUntilMs > nowMs) continue;
      const reach = Math.min(queue.entries.length, windowMax - queue.undeleted);
      for (let index = 0; index < reach; index += 1) {
        const entry = queue.entries[index];
        if (entry === undefined || !entry.durable) break;
        // Also behind one whose answer is still being looked at, while others were accepted.
        if (entry.n - (queue.entries[0]?.n ?? entry.n) >= windowMax) break;
        if (entry.inFlight) continue;
        if (this.#inFlight >= inFlightMax) return taken;
        entry.inFlight = true;
        entry.sent = true;
        entry.after = predecessor(queue, index, entry.n);
        queue.inFlight += 1;
        this.#inFlight += 1;
        taken.push(entry);
      }
    }
    return taken;
  }

  /** When the next pause ends, so that {@link take} has more to give; null when there is none. */
  nextWakeMs(nowMs: number): number | null {
    let wake: number | null = null;
    for (const { pausedUntilMs, entries } of this.#active) {
      if (pausedUntilMs <= nowMs || entries.length === 0) continue;
      wake = wake === null ? pausedUntilMs : Math.min(wake, pausedUntilMs);
    }
    return wake;
  }

  /** The entry that waits under `n`, if it may have been sent. */
  find(conversation: ConversationId, n: number): OutboxEntry | null {
    return this.#queues.get(conversation)?.entries.find((entry) => entry.n === n && entry.sent) ?? null;
  }

  /** The server has stored it. False when that was known already. */
  acked(entry: OutboxEntry): boolean {
    const queue = this.#queue(entry.conversation);
    if (!this.#remove(queue, entry)) return false;
    queue.failures = 0;
    queue.last = Math.max(queue.last ?? 0, entry.n);
    settle(queue);
    return true;
  }

  /** @returns true when the message is refused for good and out of the outbox. */
  failed(entry: OutboxEntry, error: FrameError, nowMs: number): boolean {
    const queue = this.#queue(entry.conversation);
    if (!queue.entries.includes(entry)) return false;
    this.#landed(queue, entry);
    const refused = error.retry === 'never';
    if (refused) this.#remove(queue, entry);
    else if (error.retry === 'in_order') {
      const last = error.expected === undefined ? null : error.expected - 1;
      // Whatever held up the ones before it is known by their own answers; at the front it is told what it is to follow.
      const isTold = last !== null && last !== entry.after && last < entry.n;
      if (entry === queue.entries[0] && !isTold) this.#pause(queue, error, nowMs);
      queue.last = last;
    } else this.#pause(queue, error, nowMs);
    queue.rewinding = queue.entries.length > 0;
    settle(queue);
    return refused;
  }

  /** The connection is gone: what was in flight is sent again, in order, on the next one. */
  connectionLost(): void {
    for (const queue of this.#queues.values()) {
      for (const entry of queue.entries) this.#landed(queue, entry);
      settle(queue);
    }
  }

  /** The storage has taken these changes. */
  stored(entries: Iterable<OutboxEntry>, gone: Iterable<OutboxEntry>): void {
    for (const entry of entries) entry.durable = true;
    for (const entry of gone) this.#queue(entry.conversation).undeleted -= 1;
  }

  #queue(conversation: ConversationId): Queue {
    const known = this.#queues.get(conversation);
    if (known !== undefined) return known;
    const idle = { rewinding: false, last: null, pausedUntilMs: 0, failures: 0 };
    const queue: Queue = { conversation, entries: [], next: 1, inFlight: 0, undeleted: 0, ...idle };
    this.#queues.set(conversation, queue);
    return queue;
  }

  #landed(queue: Queue, entry: OutboxEntry): void {
    if (!entry.inFlight) return;
    entry.inFlight = false;
    queue.inFlight -= 1;
    this.#inFlight -= 1;
  }

  #remove(queue: Queue, entry: OutboxEntry): boolean {
    const index = queue.entries.indexOf(entry);
    if (index === -1) return false;
    this.#landed(queue, entry);
    queue.entries.splice(index, 1);
    queue.undeleted += 1;
    this.#size -= 1;
    this.#changes.gone(entry);
    return true;
  }

  #pause(queue: Queue, error: FrameError, nowMs: number): void {
    queue.failures += 1;
    queue.pausedUntilMs = Math.max(
      queue.pausedUntilMs,
      nowMs + Math.max(1, error.retryAfterMs ?? 0, this.#delayMs(queue.failures)),
    );
  }
}

/** The number that the entry at `index` is to follow: that of the one before it, or what the server has accepted since. */
function predecessor({ entries, last }: Queue, index: number, n: number): number {
  const before = entries[index - 1]?.n ?? last ?? n - 1;
  return Math.min(n - 1, Math.max(before, last ?? 0));
}

/** Ends a rewind once nothing of the queue is in flight any more. */
function settle(queue: Queue): void {
  if (queue.inFlight === 0) queue.rewinding = false;
}
