import type { Result, Timers, UserId } from '@millrace/kernel';
import type { PartitionLog } from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { userKey } from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
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
  /** Deliveries in the next batch, at most: fewer while the one that its handler cannot take is looked for. */
  batchMax: number;
}

type Outcome = Result<null, Pick<FrameError, 'code'>>;

export interface UserChannelsParts {
  /** Hands deliveries to the user's actor; `answer` comes after its commit, or says that there was none. */
  deliver(user: UserId, items: readonly Delivery[], answer: (outcome: Outcome) => void): void;
  /** Tells the user's actor that a delivery, which its handler cannot take, will not come. */
  setAside(user: UserId, delivery: Delivery, answer: (outcome: Outcome) => void): void;
  readonly timers: Timers;
}

const DELIVERIES_MAX = 256;
/** Of entries in one batch, but for the first delivery, which always goes: a batch may travel to another node. */
const BATCH_BYTES_MAX = 1_048_576;
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 1_000;

/**
 * The way to the users' inboxes: for each user with something outstanding one queue, of which one batch is in flight.
 * What comes in meanwhile gathers behind it and is merged. A batch that was not committed is sent again, before
 * anything behind it: order within a conversation is what lets the receiver keep a mere watermark (I6).
 *
 * A delivery that its handler cannot take (`internal`: a defect of ours) is found by halving, and set aside, so that it
 * holds up nobody else: the inbox breaks there, and the user's devices read the conversation itself.
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
      this.#channels.set(user, {
        waiting: [{ delivery, done }],
        inFlight: false,
        attempts: 0,
        batchMax: DELIVERIES_MAX,
      });
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
    const batch = taken(channel);
    channel.inFlight = true;
    this.#parts.deliver(user, mergeDeliveries(batch.map(({ delivery }) => delivery)), (outcome) => {
      if (outcome.ok) {
        this.#committed(user, channel, batch);
        return;
      }
      const [first, ...others] = batch;
      if (outcome.error.code === 'internal' && first !== undefined && others.length === 0) {
        this.#setAside(user, channel, first);
        return;
      }
      channel.waiting.unshift(...batch);
      if (outcome.error.code === 'internal') {
        channel.batchMax = Math.ceil(batch.length / 2);
        this.#next(user, channel);
      } else {
        this.#later(channel, () => {
          this.#next(user, channel);
        });
      }
    });
  }

  #setAside(user: UserId, channel: Channel, poison: Waiting): void {
    this.#parts.setAside(user, poison.delivery, (outcome) => {
      // An actor that cannot take this either is beyond help from here; others must not wait for it.
      if (outcome.ok || outcome.error.code === 'internal') {
        this.#committed(user, channel, [poison]);
        return;
      }
      this.#later(channel, () => {
        this.#setAside(user, channel, poison);
      });
    });
  }

  #committed(user: UserId, channel: Channel, batch: readonly Waiting[]): void {
    channel.attempts = 0;
    channel.batchMax = Math.min(DELIVERIES_MAX, channel.batchMax * 2);
    channel.inFlight = false;
    for (const { done } of batch) done();
    if (channel.waiting.length > 0) this.#next(user, channel);
    else this.#channels.delete(user);
  }

  #later(channel: Channel, callback: () => void): void {
    channel.attempts += 1;
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(channel.attempts, 10));
    this.#parts.timers.after(delayMs, callback);
  }
}

/** Those that go into the next batch: mostly all that wait. */
function taken(channel: Channel): readonly Waiting[] {
  const { waiting } = channel;
  const count = withinBytes(waiting, channel.batchMax);
  if (count < waiting.length) return waiting.splice(0, count);
  channel.waiting = [];
  return waiting;
}

/** How many of those that wait go into the next batch. */
function withinBytes(waiting: readonly Waiting[], most: number): number {
  let bytes = 0;
  for (let count = 0; count < Math.min(most, waiting.length); count += 1) {
    const delivery = waiting[count]?.delivery;
    if (delivery?.d === 'messages') for (const { data } of delivery.entries) bytes += data.length;
    if (bytes > BATCH_BYTES_MAX && count > 0) return count;
  }
  return most;
}

/** The channels to wherever the users' actors live. */
export function userChannelsOver(calls: Pick<ActorCalls, 'post'>, timers: Timers, log: PartitionLog): UserChannels {
  return new UserChannels({
    timers,
    deliver: (user, items, answer) => {
      calls.post(userKey(user), { t: 'deliver', items }, answer as (reply: AnyReply) => void, 'follow-up');
    },
    setAside: (user, delivery, answer) => {
      log.error('a delivery was set aside: the inbox breaks there', {
        user,
        conversation: delivery.d === 'messages' ? delivery.facts.conversation : delivery.conversation,
      });
      calls.post(userKey(user), { t: 'break' }, answer as (reply: AnyReply) => void, 'follow-up');
    },
  });
}
