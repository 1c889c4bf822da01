import type { Result, Timers, UserId } from '@millrace/kernel';
import type { Delivery } from '../user/commands.ts';
import { mergeDeliveries } from './plan.ts';

interface Waiting {
  readonly delivery: Delivery;
  readonly done: () => void;
}

interface Channel {
  waiting: Waiting[];
  inFlight: boolean;
  attempts: number;
}

export interface UserChannelsParts {
  /** Hands deliveries to the user's actor; `answer` comes after its commit, or says that there was none. */
  deliver(user: UserId, items: readonly Delivery[], answer: (outcome: Result<null, unknown>) => void): void;
  readonly timers: Timers;
}

const DELIVERIES_MAX = 256;
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 1_000;

/**
 * The way to the users' inboxes: for each user with something outstanding one queue, of which one batch is in flight.
 * What comes in meanwhile gathers behind it and is merged. A batch that was not committed is sent again, before
 * anything behind it: order within a conversation is what lets the receiver keep a mere watermark (I6).
 */
export class UserChannels {
  readonly #parts: UserChannelsParts;
  readonly #channels = new Map<UserId, Channel>();
  readonly #fresh = new Set<UserId>();

  constructor(parts: UserChannelsParts) {
    this.#parts = parts;
  }

  /** Users with something outstanding. */
  get size(): number {
    return this.#channels.size;
  }

  /** Queues a delivery. `done` is called once it is committed. Nothing leaves before {@link flush}. */
  send(user: UserId, delivery: Delivery, done: () => void): void {
    const channel = this.#channels.get(user);
    if (channel === undefined) {
      this.#channels.set(user, { waiting: [{ delivery, done }], inFlight: false, attempts: 0 });
      this.#fresh.add(user);
    } else {
      channel.waiting.push({ delivery, done });
    }
  }

  flush(): void {
    for (const user of this.#fresh) {
      const channel = this.#channels.get(user);
      if (channel?.inFlight === false) this.#next(user, channel);
    }
    this.#fresh.clear();
  }

  #next(user: UserId, channel: Channel): void {
    const batch = channel.waiting.splice(0, DELIVERIES_MAX);
    channel.inFlight = true;
    this.#parts.deliver(user, mergeDeliveries(batch.map(({ delivery }) => delivery)), (outcome) => {
      if (!outcome.ok) {
        channel.waiting.unshift(...batch);
        channel.attempts += 1;
        this.#parts.timers.after(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(channel.attempts, 10)), () => {
          this.#next(user, channel);
        });
        return;
      }
      channel.attempts = 0;
      channel.inFlight = false;
      for (const { done } of batch) done();
      if (channel.waiting.length > 0) this.#next(user, channel);
      else this.#channels.delete(user);
    });
  }
}
