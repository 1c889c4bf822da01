import { sequenceId, type NodeId, type PartitionId, type Result, type Timers, type UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import type { Attached, UserPush } from '../chat-service.ts';

export interface AttachmentsParts {
  partitionOf(user: UserId): PartitionId;
  /** The run that owns the partition, as far as is known here. */
  ownerOf(partition: PartitionId): NodeId | null;
  /** Asks the user's owner to tell this node of what comes into their inbox. */
  ask(user: UserId): Promise<Result<Attached, FrameError>>;
  /** Tells the user's owner that nobody is here any more. May be lost. */
  unask(user: UserId): void;
  /** To the user's sessions here. */
  push(user: UserId, push: UserPush): void;
  /** The user's owner was asked again, and may not know of what it was told before. */
  again(user: UserId, answer: Attached): void;
  readonly timers: Timers;
}

interface Asked {
  /** Asked of this run last. */
  owner: NodeId | null;
  /** The sessions here may have missed something that is not made good yet. */
  isDue: boolean;
  asking: boolean;
}

const RETRY_MS = 200;

/**
 * The users with sockets on this node, as their owners know of them.
 *
 * (A1) Whenever a user's owner is another run than the one that was asked last, or something that it said was lost, or
 *      what it had stored, it is asked again. Its answer says where the inbox stands: a session that was not told so far syncs (I3).
 */
export class Attachments {
  readonly #parts: AttachmentsParts;
  readonly #users = new Map<UserId, Asked>();

  constructor(parts: AttachmentsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#users.size;
  }

  /** Those with sockets here. */
  get users(): Iterable<UserId> {
    return this.#users.keys();
  }

  has(user: UserId): boolean {
    return this.#users.has(user);
  }

  async attach(user: UserId): Promise<Result<Attached, FrameError>> {
    const attached: Asked = this.#users.get(user) ?? { owner: this.#ownerOf(user), isDue: false, asking: false };
    this.#users.set(user, attached);
    // What is owed to the sessions that are here already stays owed, whatever comes of this.
    return this.#parts.ask(user);
  }

  detach(user: UserId): void {
    if (this.#users.delete(user)) this.#parts.unask(user);
  }

  /**
   * The owners may have changed.
   *
   * @param skipped - a view was never seen here: an owner that is the same again may have been none in between.
   */
  follow(skipped = false): void {
    for (const [user, attached] of this.#users) {
      if (skipped || attached.owner !== this.#ownerOf(user)) void this.#again(user, attached);
    }
  }

  /** Something that this run said was lost. */
  missed(owner: NodeId): void {
    for (const [user, attached] of this.#users) {
      if (attached.owner === owner) void this.#again(user, attached);
    }
  }

  /** Inboxes of these partitions may have lost their ends. */
  lost(partitions: ReadonlySet<PartitionId>): void {
    for (const [user, attached] of this.#users) {
      if (partitions.has(this.#parts.partitionOf(user))) void this.#again(user, attached);
    }
  }

  #ownerOf(user: UserId): NodeId | null {
    return this.#parts.ownerOf(this.#parts.partitionOf(user));
  }

  async #again(user: UserId, attached: Asked): Promise<void> {
    attached.isDue = true;
    if (attached.asking) return;
    attached.asking = true;
    while (attached.isDue && this.#users.get(user) === attached) {
      attached.isDue = false;
      attached.owner = this.#ownerOf(user);
      const answer = await this.#parts.ask(user);
      if (!answer.ok) {
        attached.isDue = true;
        await new Promise<void>((resolve) => {
          this.#parts.timers.after(RETRY_MS, resolve);
        });
      } else if (this.#users.get(user) === attached) {
        const { gen, seq } = answer.value;
        // Nothing new: but a session that has not seen up to here notices that it missed something.
        this.#parts.push(user, { gen, from: sequenceId(seq + 1), to: seq, items: [] });
        this.#parts.again(user, answer.value);
      } else if (!this.#users.has(user)) {
        // They went while they were asked about.
        this.#parts.unask(user);
      }
    }
    attached.asking = false;
  }
}
