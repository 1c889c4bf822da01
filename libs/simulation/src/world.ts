import {
  err,
  hash32,
  seededRandom,
  type ConversationId,
  type Random,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { partitionOfActor, type ChatService } from '@millrace/messaging';
import type { Commit } from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, type ActorKey } from '@millrace/timeline';
import { History } from './history.ts';
import { LiveView } from './live-view.ts';
import type { ModelFate } from './model-connection.ts';
import { ModelNodeStreams } from './model-node-streams.ts';
import { ModelStore } from './model-store.ts';
import { SimulatedNode } from './simulated-node.ts';
import type { Sockets } from './sockets.ts';
import { Truth, type Checked } from './truth.ts';
import { VirtualTime } from './virtual-time.ts';
import { WorldArchive } from './world-archive.ts';
import { WorldRolls } from './world-rolls.ts';
import { WorldSearch } from './world-search.ts';
import type { WorldOptions } from './world-options.ts';

const PATIENCE_MS = 4_000;
const NOTICE_MS = 2_000;
const NAMES = ['first', 'second', 'third', 'fourth', 'fifth'];

/** One store, a cluster over it, its clients, and everything that can go wrong. */
export class World {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly store: ModelStore;
  readonly streams: ModelNodeStreams;
  readonly archive: WorldArchive;
  readonly rolls: WorldRolls;
  readonly search = new WorldSearch(this);
  readonly history: History;
  readonly live: LiveView;
  readonly options: WorldOptions;
  /** What happened, for the report. */
  readonly counts = {
    ...{ starts: 0, kills: 0, pauses: 0, stops: 0 },
    ...{ storeCrashes: 0, failOvers: 0, quietLosses: 0 },
    cuts: 0,
    lostOperations: 0,
    switches: 0,
    changes: 0,
    generations: 0,
    logErrors: 0,
    told: 0,
    orders: 0,
  };
  /** What was done to the program and its store, in words and in order. */
  told: string[] = [];
  readonly #since = new Map<ConversationId, Checked>();
  #faulty = true;
  /** Partitions whose owner has not made good yet what the store has lost. */
  readonly #unsettled = new Set<number>();
  /** By shard: what an owner settled after one loss, a second one does not undo, but with `doubleFaults`. */
  readonly #settledLengths = new Map<number, number>();
  /** By shard: how long the store's log was, and when. */
  readonly #lengths = new Map<number, { readonly atMs: number; readonly length: number }[]>();
  #nodes: SimulatedNode[] = [];
  #gone: SimulatedNode[] = [];

  constructor(seed: number, options: WorldOptions) {
    this.options = options;
    this.random = seededRandom(seed);
    this.store = new ModelStore({
      clock: this.time.clock,
      timers: this.time.timers,
      random: this.random,
      fate: (request) => this.#fate(request === 'commit'),
      answerMsMax: 1_500,
      observer: {
        executed: (operation) => {
          this.history.audit.executed(operation);
          if (operation.kind === 'commit') this.archive.committed(operation.commit);
        },
        lost: (operations) => this.history.audit.lost(operations),
      },
      shardOf: (partition) => this.shardOf(partition),
    });
    this.streams = new ModelNodeStreams({
      clock: this.time.clock,
      timers: this.time.timers,
      fate: () => this.#fate(false),
      answerMsMax: 1_500,
    });
    this.archive = new WorldArchive(this, seed);
    this.rolls = new WorldRolls(this, seed);
    this.history = new History(
      (actor) => this.partitionOf(actor),
      () => this.store.state,
      (conversation, at) => this.archive.entryAt(conversation, at) !== null,
    );
    this.live = new LiveView(this.history);
  }

  partitionOf(actor: ActorKey): number {
    return partitionOfActor(actor, this.options);
  }

  shardOf(partition: number): number {
    return partition % this.options.shards;
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
   * Starts the first node that is not there: after a kill that is a restart, which takes over at once. Beside a paused
   * node it is an other one, up to one more than the cluster has.
   */
  start(): void {
    const taken = this.#nodes.map(({ name }) => name);
    const awake = this.#nodes.filter(({ process }) => !process.isPaused).length;
    const name = NAMES.find((each) => !taken.includes(each));
    if (name === undefined || awake >= this.options.nodes) return;
    this.counts.starts += 1;
    this.told.push(`start ${name}`);
    const node = new SimulatedNode(
      this,
      { name, run: this.counts.starts },
      (commit) => this.#committed(commit),
      (lost) => {
        this.#end(lost);
        // Whoever runs the nodes starts one again that ends of itself.
        this.time.timers.after(300, () => {
          this.start();
        });
      },
    );
    this.#nodes.push(node);
  }

  startAll(): void {
    for (let more = this.options.nodes; more > 0; more -= 1) this.start();
  }

  #committed(commit: Commit): void {
    this.history.committed(commit);
    const shard = this.shardOf(commit.partition);
    const length = this.store.logLength(shard);
    const lengths = this.#lengths.get(shard) ?? [];
    lengths.push({ atMs: this.time.nowMs, length });
    this.#lengths.set(shard, lengths);
    if (commit.settle === null) return;
    this.#settledLengths.set(shard, length);
    this.#unsettled.delete(commit.partition);
  }

  /** A node logged an error. */
  saidError(message: string, fields: unknown): void {
    this.counts.logErrors += 1;
    if (message.includes('a new generation begins')) {
      this.counts.generations += 1;
      this.history.lost();
    }
    if (/handler threw|cannot be followed|handler of the link failed|cannot be archived/.test(message)) {
      this.history.violated(`${message}: ${JSON.stringify(fields)}`);
    }
  }

  /** An inbox lacks something for good, which must not be where nothing was lost. */
  inboxBroke(user: UserId): void {
    if (this.history.losses === 0) this.history.violated(`(I6) the inbox of ${user} broke, and nothing was lost`);
  }

  #end(node: SimulatedNode): void {
    node.kill();
    this.#nodes = this.#nodes.filter((each) => each !== node);
    this.#gone.push(node);
  }

  /** Those that live, whether or not they serve yet. */
  get nodes(): readonly SimulatedNode[] {
    return this.#nodes;
  }

  get #serving(): readonly SimulatedNode[] {
    return this.#nodes.filter(({ serves }) => serves);
  }

  /** One that could be stopped, paused or cut off. */
  #victim(): SimulatedNode | undefined {
    return this.pick(this.#serving.filter(({ process, isStopping }) => !process.isPaused && !isStopping));
  }

  kill(): void {
    const node = this.pick(this.#nodes);
    if (node === undefined) return;
    this.counts.kills += 1;
    this.told.push(`kill ${node.name}`);
    this.#end(node);
  }

  /** Stops a node as an operator would, and ends it. */
  async stop(): Promise<void> {
    const node = this.#victim();
    if (node === undefined) return;
    this.counts.stops += 1;
    this.told.push(`stop ${node.name}`);
    await Promise.race([node.stop(), this.time.sleep(5_000)]);
    this.#end(node);
  }

  /** A node stands still, and wakes after `forMs` as if nothing had happened. */
  pause(forMs: number): void {
    const node = this.#victim();
    if (node === undefined) return;
    this.counts.pauses += 1;
    this.told.push(`pause ${node.name} for ${String(forMs)} ms`);
    node.process.pause();
    this.time.timers.after(forMs, () => {
      node.process.wake();
    });
  }

  /** One node is cut off from the store, and so from the others. */
  cutOne(forMs: number): void {
    const node = this.#victim();
    if (node === undefined) return;
    this.counts.cuts += 1;
    this.told.push(`cut ${node.name} off for ${String(forMs)} ms`);
    node.cut(forMs);
  }

  get isUp(): boolean {
    return this.#nodes.some(({ process }) => !process.isPaused);
  }

  /**
   * Waits, when the store has lost something, until the living nodes have made that good. What a second fault may do
   * before, while one partition has replayed what another has not, is a matter of `doubleFaults`.
   */
  async settled(): Promise<void> {
    let untilMs = this.time.nowMs + NOTICE_MS;
    while (!this.options.doubleFaults && this.#unsettled.size > 0 && this.#nodes.length > 0) {
      // Who has nothing to commit does not notice that a replica took over: not before it has to connect again.
      if (this.options.failOvers && this.time.nowMs > untilMs) {
        for (const node of this.#nodes) node.cut(5);
        untilMs += NOTICE_MS;
      }
      await this.time.sleep(50);
    }
    this.#unsettled.clear();
  }

  /** How much of a shard's log will be there for sure. */
  #syncedLength(shard: number): number {
    const { unsyncedMs, doubleFaults } = this.options;
    const before = (this.#lengths.get(shard) ?? []).filter(({ atMs }) => atMs <= this.time.nowMs - unsyncedMs);
    const synced = before.at(-1)?.length ?? 0;
    return doubleFaults ? synced : Math.max(synced, this.#settledLengths.get(shard) ?? 0);
  }

  cut(): void {
    this.counts.cuts += 1;
    const downMs = this.between(5, 800);
    this.told.push(`cut all off for ${String(downMs)} ms`);
    for (const node of this.#nodes) node.cut(downMs);
  }

  /**
   * One more loss when everybody is quiet already: nothing that is said later shows who had heard of what is lost. The
   * nodes that end with it take their memory along, so that nothing can be replayed.
   */
  loseQuietly(): void {
    if (this.options.level !== 'memory') return;
    this.counts.quietLosses += 1;
    const ending = this.between(0, this.#nodes.length);
    for (let count = 0; count < ending; count += 1) this.kill();
    this.crashStore();
    this.startAll();
  }

  /** How many operations a shard loses by a fault of now. */
  #toLose(shard: number): number {
    const { store, options } = this;
    const mayLose =
      options.level === 'memory' && this.chance(0.8) && (options.doubleFaults || this.#unsettled.size === 0);
    const lostOperations = mayLose ? this.between(0, store.logLength(shard) - this.#syncedLength(shard)) : 0;
    this.counts.lostOperations += lostOperations;
    for (let partition = 0; partition < options.partitionCount && lostOperations > 0; partition += 1) {
      if (this.shardOf(partition) === shard) this.#unsettled.add(partition);
    }
    return lostOperations;
  }

  crashStore(): void {
    this.counts.storeCrashes += 1;
    const { store } = this;
    const shard = this.between(0, this.options.shards - 1);
    const lostOperations = this.#toLose(shard);
    const downMs = this.between(5, 1_500);
    store.crash({ lostOperations, downMs, shard });
    const { streams } = this;
    this.told.push(
      `store ${String(shard)} crashes, loses ${String(lostOperations)} operations, is away for ${String(downMs)} ms`,
    );
    const lostEntries = this.chance(0.5) ? this.between(0, Math.min(40, streams.logLength)) : 0;
    streams.crash({ lostOperations: lostEntries, downMs });
    // What it came back with, it has from its disk.
    this.#lengths.set(shard, [{ atMs: -Infinity, length: store.logLength(shard) }]);
  }

  /** A replica takes the place of the store. All nodes may end while it does, and what they had asked comes later. */
  failOverStore(): void {
    this.counts.failOvers += 1;
    const shard = this.between(0, this.options.shards - 1);
    const lostOperations = this.#toLose(shard);
    const downMs = this.between(5, 1_500);
    this.store.failOver({ lostOperations, downMs, shard, lateMs: () => this.between(0, this.pick([8, 1_500]) ?? 0) });
    this.#lengths.set(shard, [{ atMs: -Infinity, length: this.store.logLength(shard) }]);
    this.told.push(
      `a replica of store ${String(shard)} takes over within ${String(downMs)} ms, without ${String(lostOperations)} operations`,
    );
    if (this.chance(0.5)) return;
    this.told.push('all nodes end');
    for (const node of [...this.#nodes]) this.#end(node);
    this.startAll();
  }

  get isFaulty(): boolean {
    return this.#faulty;
  }

  /** From now on nothing goes wrong any more. */
  heal(): void {
    this.#faulty = false;
    for (const { process } of this.#nodes) process.wake();
    this.startAll();
  }

  /** Things go wrong again. */
  unheal(): void {
    this.#faulty = true;
  }

  /** Up to where a conversation was checked, and taken away. */
  since(conversation: ConversationId): number {
    return this.#since.get(conversation)?.seq ?? 0;
  }

  truth(conversation: ConversationId, showsAll: boolean): Truth {
    const partitionOfKey = (actor: ActorKey): number => this.partitionOf(actor);
    const since = this.#since.get(conversation);
    return new Truth(this.store.state, this.archive, partitionOfKey, conversation, showsAll, since);
  }

  /** All of this was checked: takes it away, with everything that only said how it came to be. */
  keep(truths: Iterable<Truth>): void {
    for (const { conversation, checked } of truths) {
      const actor = conversationKey(conversation);
      this.store.archive(this.partitionOf(actor), actor, checked.seq);
      this.#since.set(conversation, checked);
    }
    for (const node of this.#gone) node.forget(this.store, this.streams);
    this.#gone = [];
    this.store.keep();
    this.streams.keep();
    this.history.forget();
    this.live.forget();
    this.told = [];
    for (let shard = 0; shard < this.options.shards; shard += 1) {
      this.#lengths.set(shard, [{ atMs: -Infinity, length: this.store.logLength(shard) }]);
    }
  }

  /**
   * Asks a node something; a client waits for an answer only so long.
   *
   * @param seat - clients of one seat are connected to one node, as long as that serves.
   */
  ask<T>(
    request: (chat: ChatService, sockets: Sockets) => Promise<Result<T, FrameError>>,
    seat = '',
  ): Promise<Result<T, FrameError>> {
    const serving = this.#serving;
    const node = serving[hash32(seat) % Math.max(1, serving.length)];
    const unavailable = err(frameError('unavailable', 'nobody answers'));
    if (node === undefined) return this.time.sleep(100).then(() => unavailable);
    const isLost = this.#faulty && this.chance(this.options.answersLostChance);
    return new Promise((resolve) => {
      const cancel = this.time.timers.after(PATIENCE_MS, () => {
        resolve(unavailable);
      });
      node.process.enter(() => {
        request(node.chatNode.chat, node.sockets).then(
          (answer) => {
            if (isLost || node.process.isDead) return;
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
