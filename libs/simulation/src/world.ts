import {
  err,
  seededRandom,
  type ConversationId,
  type NodeId,
  type Random,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { ChatNode, defaultMessagingLimits, type ChatService } from '@millrace/messaging';
import { defaultPartitionLimits, partitionOf, type AckLevel } from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import type { ActorKey } from '@millrace/timeline';
import { History } from './history.ts';
import { ModelStore, type ModelFate } from './model-store.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { VirtualTime } from './virtual-time.ts';

export interface WorldOptions {
  readonly level: AckLevel;
  readonly partitionCount: number;
  readonly inboxEntriesMax: number;
  readonly sendWindow: number;
  /** Commits that are kept for a store that loses them, milliseconds. */
  readonly heldMs: number;
  /** How likely one request to the store is lost, its answer lost, or refused: each. */
  readonly faultChance: number;
  readonly answersLostChance: number;
  /** Lets faults strike while a lossy crash of the store is still being made good. */
  readonly doubleFaults: boolean;
}

interface Running {
  readonly process: SimulatedProcess;
  readonly identity: string;
  node: ChatNode | null;
}

const LEASE_MS = 3_000;
const PATIENCE_MS = 4_000;
/** At level `memory` the store syncs its log so often. */
const UNSYNCED_MS = 1_000;

/** One store, one program at a time over it (or two, while a paused one is given up), and everything that can go wrong. */
export class World {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly store: ModelStore;
  readonly history: History;
  readonly options: WorldOptions;
  /** What happened, for the report. */
  readonly counts = {
    starts: 0,
    kills: 0,
    pauses: 0,
    stops: 0,
    storeCrashes: 0,
    cuts: 0,
    lostOperations: 0,
    generations: 0,
    logErrors: 0,
  };
  #faulty = true;
  /** Partitions whose owner has not made good yet what the store has lost. */
  readonly #unsettled = new Set<number>();
  /** What an owner settled after one loss, a second one does not undo, but with `doubleFaults`. */
  #settledLength = 0;
  /** How long the store's log was, and when. */
  #lengths: { readonly atMs: number; readonly length: number }[] = [{ atMs: -Infinity, length: 0 }];
  #runs: Running[] = [];

  constructor(seed: number, options: WorldOptions) {
    this.options = options;
    this.random = seededRandom(seed);
    this.store = new ModelStore({
      clock: this.time.clock,
      timers: this.time.timers,
      random: this.random,
      fate: (request) => this.#fate(request === 'commit'),
      answerMsMax: 1_500,
    });
    this.history = new History(
      (actor) => this.partitionOf(actor),
      () => this.store.state,
    );
    this.store.onReconnect(() => {
      for (const { process, node } of this.#runs) process.enter(() => node?.reclaim());
    });
  }

  partitionOf(actor: ActorKey): number {
    return partitionOf(actor, this.options.partitionCount);
  }

  chance(probability: number): boolean {
    return this.random.fraction() < probability;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + (this.random.uint32() % (most - least + 1));
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.random.uint32() % Math.max(1, list.length)];
  }

  #fate(isCommit: boolean): ModelFate {
    const requestMs = this.between(0, 2);
    const replyMs = this.between(0, 2);
    if (!this.#faulty) return { kind: 'none', requestMs, replyMs };
    const { faultChance } = this.options;
    const dice = this.random.fraction();
    if (dice < faultChance) return { kind: 'lose-request', requestMs, replyMs };
    if (dice < 2 * faultChance) return { kind: 'lose-reply', requestMs, replyMs };
    if (isCommit && dice < 4 * faultChance) return { kind: 'refuse', requestMs, replyMs };
    return { kind: 'none', requestMs, replyMs: replyMs + (this.chance(0.02) ? 200 : 0) };
  }

  // ------------------------------------------------------------------------------------------------ the program

  /**
   * Starts the program, as the first identity that no living one has: after a kill that is a restart, which takes over
   * at once; beside a paused one it is another node, which waits for the lease.
   */
  start(): void {
    const taken = this.#runs.map((running) => running.identity);
    const identity = ['first', 'second', 'third'].find((name) => !taken.includes(name));
    if (identity === undefined) return;
    const process = new SimulatedProcess(this.time.timers);
    const running: Running = { process, identity, node: null };
    this.counts.starts += 1;
    this.#runs.push(running);
    const { level, partitionCount, inboxEntriesMax, sendWindow, heldMs } = this.options;
    const warn = (): void => undefined;
    void ChatNode.start({
      stores: process.reach(this.store, (commit) => {
        this.history.committed(commit);
        this.#lengths.push({ atMs: this.time.nowMs, length: this.store.logLength });
        if (commit.settle === null) return;
        this.#settledLength = this.store.logLength;
        this.#unsettled.delete(commit.partition);
      }),
      node: `${identity}-${String(this.counts.starts)}` as NodeId,
      identity,
      partitionCount,
      ackLevel: level,
      leaseMs: LEASE_MS,
      limits: {
        messaging: { ...defaultMessagingLimits, inboxEntriesMax, sendWindow, keysPerWindow: 8 },
        partition: {
          ...defaultPartitionLimits,
          cursorIdleMs: 200,
          held: { ageMsMax: heldMs, bytesMax: 1_000_000 },
        },
        // Few, so that actors are passivated and loaded again all the time.
        resting: { actorsMax: 6, weightMax: 200 },
        stopDiffusionMs: 500,
      },
      pushPort: {
        push: (user, { items }) => {
          for (const item of items) {
            if (!('messages' in item)) continue;
            for (const entry of item.messages) this.history.revealed(item.conversation, entry, `a push to ${user}`);
          }
        },
        receipt: warn,
        typing: warn,
        resync: (user, reason) => {
          const isExplained = reason !== 'incomplete' || this.history.losses > 0;
          if (!isExplained) this.history.violated(`(I6) the inbox of ${user} broke, and nothing was lost`);
        },
      },
      clock: this.time.clock,
      timers: process.timers,
      random: this.random,
      log: {
        info: warn,
        warn,
        error: (message, fields) => {
          this.counts.logErrors += 1;
          if (message.includes('a new generation begins')) {
            this.counts.generations += 1;
            this.history.lost();
          }
          if (message.includes('handler threw') || message.includes('cannot be followed')) {
            this.history.violated(`${message}: ${JSON.stringify(fields)}`);
          }
        },
      },
      onLost: () => {
        this.#end(running);
        // Whoever runs the program starts it again when it ends of itself.
        this.time.timers.after(300, () => {
          if (this.#runs.length === 0) this.start();
        });
      },
    }).then((node) => {
      process.enter(() => {
        running.node = node;
      });
    });
  }

  #end(running: Running): void {
    running.process.kill();
    this.#runs = this.#runs.filter((each) => each !== running);
  }

  /** The program that clients reach: the newest one that serves. */
  get serving(): Running | undefined {
    return this.#runs.filter(({ node, process }) => node !== null && !process.isDead).at(-1);
  }

  kill(): void {
    const running = this.#runs.at(-1);
    if (running === undefined) return;
    this.counts.kills += 1;
    this.#end(running);
  }

  /** Stops the program as an operator would, and ends it. */
  async stop(): Promise<void> {
    const running = this.serving;
    if (running === undefined || running.process.isPaused) return;
    this.counts.stops += 1;
    const done = running.node?.stop();
    await Promise.race([done, this.time.sleep(5_000)]);
    this.#end(running);
  }

  /** The program stands still, and wakes after `forMs` as if nothing had happened. */
  pause(forMs: number): void {
    const running = this.serving;
    if (running === undefined || running.process.isPaused) return;
    this.counts.pauses += 1;
    running.process.pause();
    this.time.timers.after(forMs, () => {
      running.process.wake();
    });
  }

  get isUp(): boolean {
    return this.#runs.some(({ process }) => !process.isPaused);
  }

  /**
   * Waits, when the store has lost something, until the living program has made that good. What a second fault may do
   * before, while one partition has replayed what another has not, is a matter of `doubleFaults`.
   */
  async settled(): Promise<void> {
    while (!this.options.doubleFaults && this.#unsettled.size > 0 && this.#runs.length > 0) await this.time.sleep(50);
    this.#unsettled.clear();
  }

  /** How much of the store's log is on its disk for sure. */
  #syncedLength(): number {
    const synced = this.#lengths.filter(({ atMs }) => atMs <= this.time.nowMs - UNSYNCED_MS).at(-1)?.length ?? 0;
    return this.options.doubleFaults ? synced : Math.max(synced, this.#settledLength);
  }

  cut(): void {
    this.counts.cuts += 1;
    this.store.cut(this.between(5, 800));
  }

  crashStore(): void {
    this.counts.storeCrashes += 1;
    const { store, options } = this;
    const mayLose =
      options.level === 'memory' &&
      this.chance(0.8) &&
      (options.doubleFaults || (this.#unsettled.size === 0 && this.#runs.length < 2));
    const lostOperations = mayLose ? this.between(0, store.logLength - this.#syncedLength()) : 0;
    this.counts.lostOperations += lostOperations;
    if (lostOperations > 0) {
      for (let partition = 0; partition < options.partitionCount; partition += 1) this.#unsettled.add(partition);
    }
    store.crash({ lostOperations, downMs: this.between(5, 1_500) });
    // What it came back with, it has from its disk.
    this.#lengths = [{ atMs: -Infinity, length: store.logLength }];
  }

  /** From now on nothing goes wrong any more. */
  heal(): void {
    this.#faulty = false;
    for (const { process } of this.#runs) process.wake();
    if (this.#runs.length === 0) this.start();
  }

  // ------------------------------------------------------------------------------------------------ its clients

  /** Asks the program something; a client waits for an answer only so long. */
  ask<T>(request: (chat: ChatService) => Promise<Result<T, FrameError>>): Promise<Result<T, FrameError>> {
    const running = this.serving;
    const unavailable = err(frameError('unavailable', 'nobody answers'));
    if (running === undefined) return this.time.sleep(100).then(() => unavailable);
    const isLost = this.#faulty && this.chance(this.options.answersLostChance);
    return new Promise((resolve) => {
      const cancel = this.time.timers.after(PATIENCE_MS, () => {
        resolve(unavailable);
      });
      running.process.enter(() => {
        const { node } = running;
        if (node === null) return;
        request(node.chat).then(
          (answer) => {
            if (isLost || running.process.isDead) return;
            cancel();
            resolve(answer);
          },
          (error: unknown) => {
            this.history.violated(`a request was answered with an exception: ${String(error)}`);
            resolve(unavailable);
          },
        );
      });
    });
  }
}

export const userName = (index: number): UserId => `user${String(index)}` as UserId;
export const groupName = (index: number): ConversationId => `group${String(index)}` as ConversationId;
