import type { ConversationId, UserId } from '@millrace/kernel';
import { startMillrace, type MillraceProcess } from './millrace-process.ts';
import { parseMetrics, sumOf } from './prometheus.ts';
import { compare, connectAs, connectPatiently, patiently, readAll } from './read-back.ts';
import { SturdySender } from './sturdy-sender.ts';
import { until } from './until.ts';

export interface ClusterNode extends MillraceProcess {
  readonly name: string;
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** Several nodes over one Redis, as many processes, and clients that are spread over them. */
export class MillraceCluster {
  readonly nodes: ClusterNode[] = [];
  readonly #redisUrl: string;
  readonly #env: Readonly<Record<string, string>>;
  #started = 0;
  #seats = 0;

  constructor(redisUrl: string, env: Readonly<Record<string, string>> = {}) {
    this.#redisUrl = redisUrl;
    this.#env = env;
  }

  async add(more: Readonly<Record<string, string>> = {}): Promise<ClusterNode> {
    this.#started += 1;
    const name = `node-${String(this.#started)}`;
    const started = await startMillrace(this.#redisUrl, { ...this.#env, ...more, MILLRACE_NODE_NAME: name });
    const node = Object.assign(started, { name });
    this.nodes.push(node);
    return node;
  }

  /** The socket address of one node after the other: where a client goes that looks for another one. */
  nextSocketUrl(): string {
    this.#seats += 1;
    return this.nodes[this.#seats % this.nodes.length]?.socketUrl ?? '';
  }

  /** From now on clients do not go there. */
  forget(node: ClusterNode): void {
    const at = this.nodes.indexOf(node);
    if (at >= 0) this.nodes.splice(at, 1);
  }

  async stop(): Promise<void> {
    // At once, so that nobody hands anything to one that goes down next.
    await Promise.all(this.nodes.splice(0).map((node) => node.stop()));
  }

  /** Of all nodes together. */
  async sumOver(metric: string): Promise<number> {
    const values = this.nodes.map(async ({ httpUrl }) => {
      const answer = await fetch(`${httpUrl}/metrics`);
      return sumOf(parseMetrics(await answer.text()), metric);
    });
    return total(await Promise.all(values));
  }

  async owned(node: ClusterNode): Promise<number> {
    return total(await this.#ownedByProcess(node));
  }

  /** How many partitions each process serves behind this address: one number, unless `MILLRACE_PROCESSES` says more. */
  async #ownedByProcess(node: ClusterNode): Promise<readonly number[]> {
    const answer = await fetch(`${node.httpUrl}/metrics`);
    return parseMetrics(await answer.text())
      .filter(({ name }) => name === 'millrace_partitions_serving')
      .map(({ value }) => value);
  }

  /** Waits until every partition is served, by these nodes' processes alone and evenly. @returns how many each has. */
  async untilSpread(partitions: number): Promise<readonly number[]> {
    let counts: readonly number[] = [];
    await until('the partitions are spread evenly', async () => {
      counts = (await Promise.all(this.nodes.map((node) => this.#ownedByProcess(node)))).flat();
      return total(counts) === partitions && Math.max(...counts) - Math.min(...counts) <= 1;
    });
    return counts;
  }
}

export const USERS = ['ann', 'ben', 'cleo', 'dora', 'eve', 'finn'];
export const ROOMS = ['one', 'two', 'three', 'four'] as ConversationId[];

/** Users on all nodes that talk in several conversations, until they are told to finish. */
export class SteadyLoad {
  readonly senders: readonly SturdySender[];
  readonly #cluster: MillraceCluster;

  private constructor(cluster: MillraceCluster, pauseMs: number) {
    this.#cluster = cluster;
    this.senders = USERS.flatMap((user) =>
      ROOMS.map((room) => new SturdySender(user, `${user}-${room}`, room, () => cluster.nextSocketUrl(), pauseMs)),
    );
    for (const sender of this.senders) sender.start();
  }

  /** @param pauseMs - of each sender, between what was acknowledged and what it sends next. */
  static async start(cluster: MillraceCluster, pauseMs = 0): Promise<SteadyLoad> {
    const session = await connectAs(cluster.nextSocketUrl(), 'ann', 'setup');
    for (const conversation of ROOMS) {
      const members = USERS.slice(1) as UserId[];
      const created = await session.request({ t: 'create', kind: 'group', conversation, members });
      if (!created.ok) throw new Error(JSON.stringify(created.error));
    }
    session.close();
    return new SteadyLoad(cluster, pauseMs);
  }

  get acknowledged(): number {
    return this.senders.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  }

  /** The longest time that any sender waited between two acks, milliseconds. */
  get pauseMsMax(): number {
    return Math.max(...this.senders.map(({ pauseMsMax }) => pauseMsMax));
  }

  get refused(): Readonly<Record<string, number>> {
    const all = new Map<string, number>();
    for (const { refused } of this.senders)
      for (const [code, count] of refused) all.set(code, (all.get(code) ?? 0) + count);
    return Object.fromEntries(all);
  }

  get lost(): number {
    return this.senders.reduce((sum, { lost }) => sum + lost, 0);
  }

  async untilMore(messages: number): Promise<void> {
    const goal = this.acknowledged + messages;
    await until(`${String(messages)} more messages are acknowledged`, () => this.acknowledged >= goal);
  }

  /** Ends the load, and holds what every member reads, through every node, against every ack. */
  async findings(): Promise<{ lost: string[]; duplicated: string[]; gaps: string[] }> {
    await Promise.all(this.senders.map((sender) => sender.finish()));
    const acknowledged = this.senders.flatMap((sender) => sender.acknowledged);
    const found = { lost: [] as string[], duplicated: [] as string[], gaps: [] as string[] };
    for (const user of USERS) {
      const session = await connectPatiently(
        this.#cluster.nextSocketUrl(),
        user,
        `check-${String(acknowledged.length)}`,
      );
      for (const room of ROOMS) {
        const messages = await readAll(session, room, patiently);
        const here = compare(
          messages,
          acknowledged.filter(({ conversation }) => conversation === room),
        );
        found.lost.push(...here.lost);
        found.duplicated.push(...here.duplicated);
        found.gaps.push(...here.gaps);
      }
      session.close();
    }
    return found;
  }
}
