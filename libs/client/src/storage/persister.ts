import type { Cancel, ConversationId, Timers } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import type { ClientStorage } from '../api.ts';
import type { Outbox, OutboxChanges, OutboxEntry } from '../publish/outbox.ts';
import type { DeviceState } from '../subscription/device-state.ts';
import type { ChangeRecorder } from '../subscription/effects.ts';
import {
  encodeConversation,
  encodeDevice,
  encodeInbox,
  encodeMessage,
  encodeOutboxEntry,
  keyOf,
  type DeviceRecord,
} from './stored-records.ts';

/** What the persister writes from, and tells of what was written. */
export interface PersisterOwner {
  device(): DeviceRecord;
  readonly state: DeviceState;
  outbox(): Outbox;
  /** Entries became durable, and `gone` ones were deleted: there may be something to send. */
  stored(gone: readonly OutboxEntry[]): void;
  failed(error: unknown): void;
}

const RETRY_MS = 1_000;

/**
 * Writes what changed, one `set` at a time; what changes meanwhile goes into the next one.
 *
 * (S1) A `set` takes the state as it is between two steps, all of it: positions, token and the messages that they
 *      stand for are never apart.
 * (S2) It is written after the handlers of its messages returned: a crash in between brings them again, never loses
 *      them.
 */
export class Persister implements ChangeRecorder, OutboxChanges {
  readonly #storage: ClientStorage | null;
  readonly #timers: Timers;
  readonly #owner: PersisterOwner;
  readonly #conversations = new Set<ConversationId>();
  readonly #entries = new Set<OutboxEntry>();
  readonly #gone = new Set<OutboxEntry>();
  readonly #values = new Map<string, string | null>();
  #device = false;
  #inbox = false;
  #scheduled = false;
  #writing: Promise<void> | null = null;
  #retry: Cancel | null = null;

  constructor(storage: ClientStorage | null, timers: Timers, owner: PersisterOwner) {
    this.#storage = storage;
    this.#timers = timers;
    this.#owner = owner;
  }

  device(): void {
    this.#device = true;
    this.#schedule();
  }

  sync(): void {
    this.#inbox = true;
    this.#schedule();
  }

  conversation(conversation: ConversationId): void {
    if (this.#storage === null) return;
    this.#conversations.add(conversation);
    this.#schedule();
  }

  cached(conversation: ConversationId, message: Message): void {
    if (this.#storage === null) return;
    this.#values.set(keyOf.message(conversation, message.seq), encodeMessage(message));
    this.#schedule();
  }

  dropped(conversation: ConversationId, message: Message): void {
    if (this.#storage === null) return;
    this.#values.set(keyOf.message(conversation, message.seq), null);
    this.#schedule();
  }

  entry(entry: OutboxEntry): void {
    this.#entries.add(entry);
    this.#schedule();
  }

  gone(entry: OutboxEntry): void {
    this.#entries.delete(entry);
    this.#gone.add(entry);
    this.#schedule();
  }

  counter(conversation: ConversationId, next: number): void {
    this.#values.set(keyOf.counter(conversation), String(next));
    this.#schedule();
  }

  /** Resolves when everything up to now is stored, or could not be. */
  async flush(): Promise<void> {
    await this.#writing;
    // What came while that was written is being written by now.
    await this.#writing;
    if (!this.#scheduled) return;
    this.#scheduled = false;
    await this.#start();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#writing !== null || this.#retry !== null) return;
    // After this turn's step and its events.
    queueMicrotask(() => {
      if (!this.#scheduled || this.#writing !== null) return;
      this.#scheduled = false;
      void this.#start();
    });
  }

  #start(): Promise<void> {
    this.#writing = this.#write().finally(() => {
      this.#writing = null;
      if (!this.#scheduled || this.#retry !== null) return;
      this.#scheduled = false;
      void this.#start();
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const outbox = this.#owner.outbox();
    const entries = [...this.#entries];
    const gone = [...this.#gone];
    const values = this.#take();
    if (this.#storage !== null && values.size > 0) {
      try {
        await this.#storage.set(values);
      } catch (error) {
        this.#again(values, entries, gone);
        this.#owner.failed(error);
        return;
      }
    }
    outbox.stored(entries, gone);
    if (entries.length > 0 || gone.length > 0) this.#owner.stored(gone);
  }

  #take(): Map<string, string | null> {
    const { state } = this.#owner;
    const values = new Map(this.#values);
    if (this.#device) values.set(keyOf.device, encodeDevice(this.#owner.device()));
    if (this.#inbox && this.#storage !== null) values.set(keyOf.inbox, encodeInbox(state));
    for (const id of this.#conversations) {
      const conversation = state.conversations.get(id);
      values.set(keyOf.conversation(id), conversation === undefined ? null : encodeConversation(conversation));
    }
    if (this.#storage !== null) {
      for (const entry of this.#entries) values.set(keyOf.outbox(entry.serial), encodeOutboxEntry(entry));
    }
    for (const entry of this.#gone) values.set(keyOf.outbox(entry.serial), null);
    this.#values.clear();
    this.#conversations.clear();
    this.#entries.clear();
    this.#gone.clear();
    this.#device = false;
    this.#inbox = false;
    return values;
  }

  /** What was not taken goes into the next `set`, under what changed since. */
  #again(
    values: ReadonlyMap<string, string | null>,
    entries: readonly OutboxEntry[],
    gone: readonly OutboxEntry[],
  ): void {
    for (const [key, value] of values) if (!this.#values.has(key)) this.#values.set(key, value);
    for (const entry of entries) if (!this.#gone.has(entry)) this.#entries.add(entry);
    for (const entry of gone) this.#gone.add(entry);
    this.#scheduled = true;
    this.#retry ??= this.#timers.after(RETRY_MS, () => {
      this.#retry = null;
      if (this.#writing !== null || !this.#scheduled) return;
      this.#scheduled = false;
      void this.#start();
    });
  }
}
