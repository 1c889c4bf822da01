import { invariant, type ConversationId } from '@millrace/kernel';
import type { FrameError, SendableType } from '@millrace/protocol';

/** One message on its way. `n` may change while no attempt under it can have been stored. */
export interface OutboxEntry {
  /** Order over all conversations, for ever. */
  readonly serial: number;
  readonly conversation: ConversationId;
  readonly type: SendableType;
  readonly body: string | Uint8Array;
  readonly sentAt: number;
  n: number;
  /** Attempts under this `n`; at least 1 for one from an earlier run, which may have been sent. */
  attempts: number;
  /** Sent on this connection, and not answered. */
  inFlight: boolean;
  /** Stored under this `n`: only then may it be sent. */
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
  renumberFrom: number | null;
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
 * (O2) A message is sent only after it was stored here under its `n`: a counter is never used for two messages.
 * (O3) A counter is given to another message only when the server says that it is free (`expected`), or refused its
 *      only attempt.
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

  add(conversation: ConversationId, type: SendableType, body: string | Uint8Array, sentAt: number): OutboxEntry {
    const queue = this.#queue(conversation);
    this.#serial += 1;
    const fixed = { serial: this.#serial, conversation, type, body, sentAt };
    const entry: OutboxEntry = { ...fixed, n: queue.next, attempts: 0, inFlight: false, durable: false };
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
    return (this.#queues.get(conversation)?.entries[0]?.attempts ?? 0) > 0;
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
        if (entry.inFlight) continue;
        if (this.#inFlight >= inFlightMax) return taken;
        entry.inFlight = true;
        entry.attempts += 1;
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
    return this.#queues.get(conversation)?.entries.find((entry) => entry.n === n && entry.attempts > 0) ?? null;
  }

  /** The server has stored it. False when that was known already. */
  acked(entry: OutboxEntry): boolean {
    const queue = this.#queue(entry.conversation);
    if (!this.#remove(queue, entry)) return false;
    queue.failures = 0;
    // Counters up to this one are taken, whatever a refusal before it seemed to say.
    if (queue.renumberFrom !== null && entry.n >= queue.renumberFrom) queue.renumberFrom = null;
    this.#settle(queue);
    return true;
  }

  /** @returns true when the message is refused for good and out of the outbox. */
  failed(entry: OutboxEntry, error: FrameError, nowMs: number): boolean {
    const queue = this.#queue(entry.conversation);
    if (!queue.entries.includes(entry)) return false;
    this.#landed(queue, entry);
    const refused = error.retry === 'never';
    if (refused) {
      this.#remove(queue, entry);
      const free = entry.attempts === 1 && error.code !== 'expired' && error.code !== 'internal';
      if (free) this.#renumber(queue, entry.n);
    } else if (error.retry === 'in_order') {
      const front = queue.entries[0]?.n ?? queue.next;
      if (error.expected !== undefined && error.expected < front) this.#renumber(queue, error.expected);
      // Whatever held up the ones before it is known by their own answers; alone at the front it is a failure.
      else if (entry.n === front && queue.renumberFrom === null) this.#pause(queue, error, nowMs);
    } else this.#pause(queue, error, nowMs);
    queue.rewinding = queue.entries.length > 0 || queue.renumberFrom !== null;
    this.#settle(queue);
    return refused;
  }

  /** The connection is gone: what was in flight is sent again, in order, on the next one. */
  connectionLost(): void {
    for (const queue of this.#queues.values()) {
      for (const entry of queue.entries) this.#landed(queue, entry);
      this.#settle(queue);
    }
  }

  /** The storage has taken these changes. */
  stored(entries: Iterable<{ readonly entry: OutboxEntry; readonly n: number }>, gone: Iterable<OutboxEntry>): void {
    for (const { entry, n } of entries) if (entry.n === n) entry.durable = true;
    for (const entry of gone) this.#queue(entry.conversation).undeleted -= 1;
  }

  #queue(conversation: ConversationId): Queue {
    const known = this.#queues.get(conversation);
    if (known !== undefined) return known;
    const idle = { rewinding: false, renumberFrom: null, pausedUntilMs: 0, failures: 0 };
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

  #renumber(queue: Queue, from: number): void {
    queue.renumberFrom = Math.min(queue.renumberFrom ?? from, from);
  }

  /** Ends a rewind once nothing of the queue is in flight any more. */
  #settle(queue: Queue): void {
    if (queue.inFlight > 0) return;
    queue.rewinding = false;
    if (queue.renumberFrom === null) return;
    const from = queue.renumberFrom;
    queue.renumberFrom = null;
    // Entries before it keep their counters: they were not answered yet.
    const at = queue.entries.findIndex(({ n }) => n >= from);
    const behind = at === -1 ? [] : queue.entries.slice(at);
    let n = from;
    for (const entry of behind) {
      invariant(!entry.inFlight, 'a message in flight keeps its counter');
      if (entry.n !== n) {
        entry.n = n;
        entry.attempts = 0;
        entry.durable = false;
        this.#changes.entry(entry);
      }
      n += 1;
    }
    queue.next = n;
    this.#changes.counter(queue.conversation, n);
  }
}
