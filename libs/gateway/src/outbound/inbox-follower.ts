import type { Generation, SequenceId, UserId } from '@millrace/kernel';
import type { UserPush } from '@millrace/messaging';
import type { Push, PushItem, Resync, WireEntry } from '@millrace/protocol';

/** What of a push one device is to be sent: nothing, a frame, or word that it must sync. */
export type FollowStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'push'; readonly frame: Push<WireEntry> }
  | { readonly kind: 'resync'; readonly reason: Resync['reason'] };

const NOTHING: FollowStep = { kind: 'nothing' };

/**
 * Keeps what one device was told of its user's inbox, so that it can see a gap (I3).
 *
 * (F1) A push frame's `prev` is what the device was told last; between the two is only what it has itself.
 * (F2) What cannot be told is told by exactly one `resync`; until the device has synced nothing else is pushed (I9).
 * (F3) Once it has synced, what came in meanwhile is not forgotten: if the sync did not cover it, it syncs again.
 */
export class InboxFollower {
  readonly #user: UserId;
  readonly #deviceTag: number;
  #gen: Generation;
  /** Told to the device. */
  #told: SequenceId;
  /** Seen by the gateway; above `told` are only messages of the device's own. */
  #seen: SequenceId;
  #mustSync = false;

  constructor(user: UserId, deviceTag: number, at: { readonly gen: Generation; readonly seq: SequenceId }) {
    this.#user = user;
    this.#deviceTag = deviceTag;
    this.#gen = at.gen;
    this.#told = at.seq;
    this.#seen = at.seq;
  }

  get mustSync(): boolean {
    return this.#mustSync;
  }

  follow(push: UserPush): FollowStep {
    if (push.gen < this.#gen || (push.gen === this.#gen && push.to <= this.#seen)) return NOTHING;
    const isNext = push.gen === this.#gen && push.from <= this.#seen + 1;
    const regressed = push.gen !== this.#gen;
    this.#gen = push.gen;
    this.#seen = push.to;
    if (this.#mustSync) return NOTHING;
    if (!isNext) return this.resync(regressed ? 'regressed' : 'moved');
    const items = this.#forDevice(push.items);
    return items.length === 0 ? NOTHING : this.#tell(items);
  }

  /** Tells a device that was silent how far its own messages have brought the inbox. */
  advance(): FollowStep {
    return this.#mustSync || this.#seen === this.#told ? NOTHING : this.#tell([]);
  }

  resync(reason: Resync['reason']): FollowStep {
    if (this.#mustSync) return NOTHING;
    this.#mustSync = true;
    return { kind: 'resync', reason };
  }

  /** The device has everything up to `inbox` now. */
  synced(inbox: { readonly gen: Generation; readonly seq: SequenceId }): FollowStep {
    if (!this.#mustSync) return NOTHING;
    this.#mustSync = false;
    if (inbox.gen === this.#gen && inbox.seq < this.#seen) return this.resync('moved');
    this.#gen = inbox.gen;
    this.#told = inbox.seq;
    this.#seen = inbox.seq;
    return NOTHING;
  }

  #tell(items: readonly PushItem<WireEntry>[]): FollowStep {
    const frame: Push<WireEntry> = { t: 'push', gen: this.#gen, prev: this.#told, seq: this.#seen, items };
    this.#told = this.#seen;
    return { kind: 'push', frame };
  }

  /** Without what this very device sent: it has the ack. */
  #forDevice(items: readonly PushItem<WireEntry>[]): readonly PushItem<WireEntry>[] {
    if (!items.some((item) => 'messages' in item && item.messages.some((entry) => this.#isOwn(entry)))) return items;
    return items
      .map((item) =>
        'messages' in item ? { ...item, messages: item.messages.filter((entry) => !this.#isOwn(entry)) } : item,
      )
      .filter((item) => !('messages' in item) || item.messages.length > 0);
  }

  #isOwn({ message }: WireEntry): boolean {
    return message.deviceTag === this.#deviceTag && message.from === this.#user;
  }
}
