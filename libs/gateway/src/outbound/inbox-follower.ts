import {
  generation,
  MalformedBytes,
  sequenceId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import type { UserPush } from '@millrace/messaging';
import type { Push, PushItem, Resync, WireEntry } from '@millrace/protocol';

/** What one device is to be sent: a push, or word that it must sync. */
export type FollowStep =
  | { readonly kind: 'push'; readonly frame: Push<WireEntry> }
  | { readonly kind: 'resync'; readonly reason: Resync['reason'] };

export interface InboxPosition {
  readonly gen: Generation;
  readonly seq: SequenceId;
}

/** Pushes held while a sync is under way; beyond, the device syncs once more. */
const HELD_MAX = 1_024;

/**
 * Keeps what one device was told of its user's inbox, so that it can see a gap (I3).
 *
 * (F1) A push frame's `prev` is what the device was told last; between the two is only what it has itself.
 * (F2) What cannot be told is told by exactly one `resync`; nothing more is pushed until the device syncs (I9).
 * (F3) What comes in while a sync is under way is held: behind the answer goes what the answer did not cover, so that a
 *      busy inbox cannot keep a device syncing for ever.
 *
 * Begins as if a sync were under way: the answer to the attach is its end.
 */
export class InboxFollower {
  readonly #user: UserId;
  readonly #deviceTag: number;
  #gen: Generation = generation(0);
  /** Told to the device. */
  #told: SequenceId = sequenceId(0);
  /** Seen by the gateway; above `told` are only messages of the device's own. */
  #seen: SequenceId = sequenceId(0);
  #mustSync = false;
  #syncs = 1;
  #held: UserPush[] = [];
  /** Set when what came in during a sync could not be held, or was interrupted. */
  #missed: Resync['reason'] | null = null;

  constructor(user: UserId, deviceTag: number) {
    this.#user = user;
    this.#deviceTag = deviceTag;
  }

  /** Whether the device is up to date, but for what is on its way. */
  get isLive(): boolean {
    return !this.#mustSync && this.#syncs === 0;
  }

  follow(push: UserPush): FollowStep | null {
    if (this.#syncs > 0) {
      this.#hold(push);
      return null;
    }
    return this.#mustSync ? null : this.#apply(push);
  }

  /** Tells a device that was silent how far its own messages have brought the inbox. */
  advance(): FollowStep | null {
    return this.isLive && this.#seen !== this.#told ? this.#tell([]) : null;
  }

  /** Something was missed, or was not sent. */
  resync(reason: Resync['reason']): FollowStep | null {
    if (this.#syncs > 0) {
      this.#held = [];
      this.#missed ??= reason;
      return null;
    }
    if (this.#mustSync) return null;
    this.#mustSync = true;
    return { kind: 'resync', reason };
  }

  syncStarted(): void {
    this.#syncs += 1;
  }

  /** The answer is on its way to the device. Without more to fetch the device has everything up to `inbox`. */
  synced(inbox: InboxPosition, hasMore: boolean): readonly FollowStep[] {
    this.#syncs -= 1;
    if (this.#syncs > 0) return [];
    if (hasMore) {
      // It goes on syncing by itself: nothing that is held now would be of use to it.
      this.#mustSync = true;
      this.#forget();
      return [];
    }
    this.#gen = inbox.gen;
    this.#told = inbox.seq;
    this.#seen = inbox.seq;
    this.#mustSync = false;
    return this.#release();
  }

  /** The sync was refused: the device stands where it stood. */
  syncFailed(): readonly FollowStep[] {
    this.#syncs -= 1;
    if (this.#syncs > 0) return [];
    if (!this.#mustSync) return this.#release();
    this.#forget();
    return [];
  }

  #hold(push: UserPush): void {
    if (this.#missed !== null) return;
    this.#held.push(push);
    if (this.#held.length > HELD_MAX) this.resync('slow');
  }

  #forget(): void {
    this.#held = [];
    this.#missed = null;
  }

  #release(): readonly FollowStep[] {
    const held = this.#held;
    const missed = this.#missed;
    this.#forget();
    const steps = missed === null ? held.map((push) => this.follow(push)) : [this.resync(missed)];
    return steps.filter((step) => step !== null);
  }

  #apply(push: UserPush): FollowStep | null {
    if (push.gen < this.#gen || (push.gen === this.#gen && push.to <= this.#seen)) return null;
    if (push.gen !== this.#gen) return this.resync('regressed');
    if (push.from > this.#seen + 1) return this.resync('moved');
    this.#seen = push.to;
    const items = this.#forDevice(push.items);
    return items.length === 0 ? null : this.#tell(items);
  }

  #tell(items: readonly PushItem<WireEntry>[]): FollowStep {
    const frame: Push<WireEntry> = { t: 'push', gen: this.#gen, prev: this.#told, seq: this.#seen, items };
    this.#told = this.#seen;
    return { kind: 'push', frame };
  }

  /** Without what this very device sent: it has the ack. */
  #forDevice(items: readonly PushItem<WireEntry>[]): readonly PushItem<WireEntry>[] {
    if (!this.#hasOwn(items)) return items;
    const kept: PushItem<WireEntry>[] = [];
    for (const item of items) {
      const messages = 'messages' in item ? item.messages.filter((entry) => !this.#isOwn(entry)) : null;
      if (messages === null) kept.push(item);
      else if (messages.length > 0) kept.push({ conversation: item.conversation, messages });
    }
    return kept;
  }

  /** Looked at for each push: without functions made for it. */
  #hasOwn(items: readonly PushItem<WireEntry>[]): boolean {
    for (const item of items) {
      if (!('messages' in item)) continue;
      for (const entry of item.messages) if (this.#isOwn(entry)) return true;
    }
    return false;
  }

  #isOwn(entry: WireEntry): boolean {
    try {
      const { deviceTag, from } = entry.brief;
      return deviceTag === this.#deviceTag && from === this.#user;
    } catch (error) {
      // A damaged entry: whoever encodes it will see, and say so.
      if (error instanceof MalformedBytes) return false;
      throw error;
    }
  }
}
