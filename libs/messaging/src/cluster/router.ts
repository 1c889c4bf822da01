import { err, type Clock, type NodeId, type PartitionId, type Timers, type UserId } from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import { frameError, type ErrorCode } from '@millrace/protocol';
import { conversationKey, userKey, type ActorKey } from '@millrace/timeline';
import type { ActorCalls, AnyCommand, AnyReply } from '../actor-calls.ts';
import type { Way } from '../trace/message-trace.ts';
import { Deadlines } from './deadlines.ts';
import type { NodeAnswer, ActorRequest, Priority } from './node-messages.ts';

export interface RouterLimits {
  /** Requests that wait for their partition to have an owner again, over all partitions. */
  readonly waitingMax: number;
  /** From when it was posted until one that has no answer is refused with `unavailable`, milliseconds. */
  readonly waitMsMax: number;
  /** Between two tries while nothing is told of a new owner, milliseconds. */
  readonly retryMs: number;
}

export const defaultRouterLimits: RouterLimits = { waitingMax: 8_192, waitMsMax: 10_000, retryMs: 50 };

export interface RouterParts {
  readonly self: NodeId;
  readonly partitionOf: (key: ActorKey) => PartitionId;
  /** Asks a partition of this node. `answer` is called exactly once, never before this returns. */
  local(partition: PartitionId, request: ActorRequest, answer: (outcome: NodeAnswer) => void): void;
  /** Asks another node; `gone` when it did not answer and never will: what became of the request is not known. */
  remote(to: NodeId, request: ActorRequest, answer: (outcome: NodeAnswer | 'gone' | 'overloaded') => void): void;
  /** Told of each command that its owner has answered, before the answer is passed on: also when it comes too late. */
  routed(command: AnyCommand, reply: AnyReply, way: Way): void;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: RouterLimits;
}

interface Request {
  readonly partition: PartitionId;
  readonly request: ActorRequest;
  readonly answer: (reply: AnyReply) => void;
  readonly untilMs: number;
  /** Its place among all that were posted here. */
  readonly order: number;
  /** Owners that were asked. */
  tries: number;
  /** Whoever asked has an answer. */
  isAnswered: boolean;
  /** See {@link Deadlines}. */
  isOpen: boolean;
}

function tooLate({ tries }: Request): AnyReply {
  const noOwner = 'the partition has no owner at the moment; try again';
  const noAnswer = 'it was not answered in time, and what became of it is not known: try again, with the same id';
  return err(frameError('unavailable', tries === 0 ? noOwner : noAnswer));
}

/** Requests of one partition that are not answered yet, all of them asked of one node. */
interface Flight {
  to: NodeId | null;
  count: number;
  /** When its owner granted one last, monotonic. */
  grantedMs: number;
  /** When `to` granted anything last. */
  node: Granted;
}

/** When a node granted anything last, monotonic. */
interface Granted {
  atMs: number;
}

const NEVER: Granted = { atMs: -Infinity };

/** How late after its deadline a request may be refused, milliseconds. */
const SWEEP_MS = 250;

/** How many times longer than that one is waited for whose node does something for others alone. */
const BUSY_TIMES = 2;

/** Whether somebody waits for the answer who is to be told when there is none. A follow-up is asked until it is done. */
const hasDeadline = (request: ActorRequest): boolean => request.q === 'attach' || request.priority === 'client';

/**
 * Brings commands to the actors, on whichever node they live.
 *
 * (R1) Commands for one partition reach its owner in the order in which they were posted, also over a change of owner:
 *      what a wrong or dead owner did not take waits, what comes after it waits behind it, and nothing is asked of a new
 *      owner before the old one has answered everything. (Should a node lose a partition and have it back within one
 *      round trip, a command may overtake; what must not, has a counter of its own.)
 * (R2) A command whose owner died may have been carried out: it is sent again, and its own key (counter, watermark, a
 *      position that only rises) lets it happen once (I4, I6).
 * (R3) What waits is bounded in number and time (I9).
 * (R4) Whoever asks for a client is answered within `waitMsMax`, also when an owner was asked and does not answer (a
 *      node that is cut off from the store cannot). What became of that command is not known then: an answer that comes
 *      later is dropped, and the command is not brought to another owner. It is no harm when it was carried out: what
 *      may be repeated has a key of its own (R2). For the order (R1) it is under way until its owner has answered.
 * (R5) An owner that is slow, but grants what it was asked before, is waited for: to drop its answers would have the same
 *      asked of it once more, and could drop the answer to one send again and again while those behind it are answered.
 */
export class Router implements ActorCalls {
  readonly #parts: RouterParts;
  #view: ClusterView | null = null;
  /** By partition: the run that is to own it. */
  #owners: readonly (NodeId | null)[] = [];
  readonly #waiting = new Map<PartitionId, Request[]>();
  /** By partition. */
  readonly #flights: Flight[] = [];
  readonly #granted = new Map<NodeId, Granted>();
  /** Of what is not answered and has one. */
  readonly #deadlines: Deadlines<Request>;
  #waitingCount = 0;
  #posted = 0;
  #retryDue = false;
  #stopped: string | null = null;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#deadlines = new Deadlines({
      clock: parts.clock,
      timers: parts.timers,
      sweepMs: SWEEP_MS,
      isHopeless: (asked, nowMs) => this.#isHopeless(asked, nowMs),
      over: (asked) => {
        this.#answer(asked, tooLate(asked));
      },
    });
  }

  /** Requests that wait for their partition to have an owner. */
  get waiting(): number {
    return this.#waitingCount;
  }

  get view(): ClusterView | null {
    return this.#view;
  }

  partitionOf(key: ActorKey): PartitionId {
    return this.#parts.partitionOf(key);
  }

  /** The run that is to own the partition, as far as is known here. */
  ownerOf(partition: PartitionId): NodeId | null {
    return this.#owners[partition] ?? null;
  }

  /** A newer view: what waited is sent again, to whoever is the owner now. */
  follow(view: ClusterView): void {
    const runs = new Map(view.members.map(({ name, node }) => [name, node]));
    this.#view = view;
    for (const node of this.#granted.keys())
      if (!view.members.some((one) => one.node === node)) this.#granted.delete(node);
    this.#owners = view.owners.map((owner) => (owner === null ? null : (runs.get(owner) ?? null)));
    this.#retry();
  }

  post(key: ActorKey, command: AnyCommand, answer: (reply: AnyReply) => void, priority: Priority): void {
    this.#send(this.#parts.partitionOf(key), { q: 'command', key, command, priority }, answer);
  }

  /** Asks the user's owner to tell this node, from its answer on, of what comes into their inbox. */
  attach(user: UserId): Promise<AnyReply> {
    return new Promise((resolve) => {
      this.#send(this.#parts.partitionOf(userKey(user)), { q: 'attach', user }, resolve);
    });
  }

  conversation: ActorCalls['conversation'] = (id, command) => this.#ask(conversationKey(id), command) as Promise<never>;
  user: ActorCalls['user'] = (id, command) => this.#ask(userKey(id), command) as Promise<never>;

  /** Refuses everything that waits: the node is going down. */
  stop(message: string): void {
    this.#stopped = message;
    const all = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    this.#waitingCount = 0;
    for (const asked of all) this.#answer(asked, err(frameError('draining', message)));
  }

  #ask(key: ActorKey, command: AnyCommand): Promise<AnyReply> {
    return new Promise((resolve) => {
      this.post(key, command, resolve, 'client');
    });
  }

  #send(partition: PartitionId, request: ActorRequest, answer: (reply: AnyReply) => void): void {
    const { clock, limits } = this.#parts;
    this.#posted += 1;
    const nowMs = clock.monotonicMs();
    const untilMs = nowMs + limits.waitMsMax;
    const order = this.#posted;
    const asked: Request = { partition, request, answer, untilMs, order, tries: 0, isAnswered: false, isOpen: false };
    if (hasDeadline(request)) this.#deadlines.add(asked);
    if (this.#stopped !== null) this.#refuse(asked, 'draining', this.#stopped);
    else if (this.#waitingCount > 0 && this.#waiting.has(partition)) this.#wait(asked);
    else this.#try(asked, nowMs);
  }

  #refuse(asked: Request, code: ErrorCode, message: string): void {
    this.#parts.timers.soon(() => {
      this.#answer(asked, err(frameError(code, message)));
    });
  }

  #answer(asked: Request, reply: AnyReply): void {
    if (asked.isAnswered) return;
    asked.isAnswered = true;
    this.#deadlines.delete(asked);
    asked.answer(reply);
  }

  #try(asked: Request, askedMs: number): void {
    const { self } = this.#parts;
    const { partition, request } = asked;
    const owner = this.ownerOf(partition);
    const flight = this.#flightOf(partition);
    if (owner === null || (flight.count > 0 && flight.to !== owner)) {
      this.#wait(asked);
      return;
    }
    // Also of the same one: it may have been in no view meanwhile, and be another entry since.
    if (flight.count === 0) {
      flight.to = owner;
      flight.node = this.#grantedBy(owner);
    }
    flight.count += 1;
    asked.tries += 1;
    const answered = (outcome: NodeAnswer | 'gone' | 'overloaded'): void => {
      const answeredMs = this.#parts.clock.monotonicMs();
      flight.count -= 1;
      if (typeof outcome !== 'string' && outcome.ok) {
        flight.grantedMs = answeredMs;
        // Not before all of them are answered is another node asked.
        flight.node.atMs = answeredMs;
      }
      // Only what waited for the old owner goes on at once: asking the same one again would go in circles.
      if (flight.count === 0 && flight.to !== this.ownerOf(partition)) this.#retrySoon();
      if (outcome === 'overloaded')
        this.#answer(asked, err(frameError('overloaded', 'another node has more to do than it may queue')));
      else if (typeof outcome === 'string') this.#wait(asked);
      else {
        if (request.q === 'command') {
          const postedMs = asked.untilMs - this.#parts.limits.waitMsMax;
          this.#parts.routed(request.command, outcome, {
            to: owner,
            postedMs,
            askedMs,
            answeredMs,
            tries: asked.tries,
          });
        }
        this.#answer(asked, outcome);
      }
    };
    if (owner === self) this.#parts.local(partition, request, answered);
    else this.#parts.remote(owner, request, answered);
  }

  #isHopeless({ partition, untilMs }: Request, nowMs: number): boolean {
    const { waitMsMax } = this.#parts.limits;
    const { to, count, grantedMs, node } = this.#flightOf(partition);
    if (this.#waiting.has(partition) || to === null || count === 0) return true;
    if (nowMs - grantedMs < waitMsMax) return false;
    // What it was asked by others goes before. But one partition may stand still while others of the node go on.
    const isBusy = nowMs - node.atMs < waitMsMax;
    return !isBusy || nowMs - untilMs >= BUSY_TIMES * waitMsMax;
  }

  #grantedBy(node: NodeId): Granted {
    const known = this.#granted.get(node);
    if (known !== undefined) return known;
    const granted: Granted = { atMs: -Infinity };
    this.#granted.set(node, granted);
    return granted;
  }

  #flightOf(partition: PartitionId): Flight {
    const known = this.#flights[partition];
    if (known !== undefined) return known;
    const flight: Flight = { to: null, count: 0, grantedMs: -Infinity, node: NEVER };
    this.#flights[partition] = flight;
    return flight;
  }

  /** Puts a request into the line of its partition, in the place that it had. */
  #wait(asked: Request): void {
    if (asked.isAnswered) return;
    if (this.#stopped !== null) {
      this.#refuse(asked, 'draining', this.#stopped);
      return;
    }
    if (this.#waitingCount >= this.#parts.limits.waitingMax) {
      // One that was asked of an owner before, which is gone, may have been carried out.
      const code = asked.tries === 0 ? 'overloaded' : 'unavailable';
      this.#refuse(asked, code, 'too many requests wait for their partition to have an owner');
      return;
    }
    const line = this.#waiting.get(asked.partition);
    if (line === undefined) this.#waiting.set(asked.partition, [asked]);
    else line.splice(line.findLastIndex(({ order }) => order < asked.order) + 1, 0, asked);
    this.#waitingCount += 1;
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#retryDue) return;
    this.#retryDue = true;
    this.#parts.timers.after(this.#parts.limits.retryMs, () => {
      this.#retryDue = false;
      this.#retry();
    });
  }

  /** Not at once: what was answered in this turn of the event loop comes first. */
  #retrySoon(): void {
    this.#parts.timers.soon(() => {
      this.#retry();
    });
  }

  #retry(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const lines = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#waitingCount = 0;
    for (const asked of lines.flat()) {
      if (asked.isAnswered) continue;
      if (nowMs < asked.untilMs) {
        // Behind one that has to wait again, all of its line do.
        if (this.#waiting.has(asked.partition)) this.#wait(asked);
        else this.#try(asked, nowMs);
      } else this.#answer(asked, tooLate(asked));
    }
  }
}
