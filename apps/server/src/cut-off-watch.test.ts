import { createServer } from 'node:http';
import { seededRandom, type NodeId } from '@millrace/kernel';
import type { ChatNode } from '@millrace/messaging';
import { afterEach, describe, expect, it } from 'vitest';
import { CutOffWatch, isReadyAt } from './cut-off-watch.ts';

type Members = ChatNode['gateways']['others'];

const member = (name: string, url: string): Members[number] => ({
  name,
  node: `${name}-1` as NodeId,
  roles: ['gateway'],
  isDraining: false,
  url,
  socketUrl: '',
});

/** A node, its clock, and the looks that the watch takes, one at a time. */
class Watched {
  holdsLease = true;
  others: Members = [];
  /** Null: it does not answer. */
  reachesStore: boolean | null = false;
  /** Addresses that say that they are ready. */
  readonly ready = new Set<string>();
  readonly asked: string[] = [];
  readonly logged: string[] = [];
  /** Happens while the others are asked. */
  meanwhile: () => void = () => undefined;
  #nowMs = 0;
  #planned: { readonly atMs: number; readonly run: () => void }[] = [];
  readonly watch: CutOffWatch;

  constructor() {
    const others = (): Members => this.others;
    this.watch = new CutOffWatch({
      node: {
        ready: () => ({ ok: this.holdsLease, reasons: [], holdsLease: this.holdsLease }),
        gateways: {
          get others() {
            return others();
          },
        },
      },
      reachesStore: () =>
        this.reachesStore === null ? new Promise(() => undefined) : Promise.resolve(this.reachesStore),
      isReady: (url) => {
        this.asked.push(url);
        this.meanwhile();
        return Promise.resolve(this.ready.has(url));
      },
      clock: { nowMs: () => 0, monotonicMs: () => this.#nowMs },
      timers: {
        after: (delayMs, run) => {
          const planned = { atMs: this.#nowMs + delayMs, run };
          this.#planned.push(planned);
          return () => {
            this.#planned = this.#planned.filter((each) => each !== planned);
          };
        },
        soon: () => undefined,
      },
      random: seededRandom(1),
      log: { info: (message) => this.logged.push(message), warn: (message) => this.logged.push(message) },
    });
  }

  async looks(times: number): Promise<boolean> {
    for (let count = 0; count < times; count += 1) {
      const [next, ...others] = this.#planned.sort((left, right) => left.atMs - right.atMs);
      this.#planned = others;
      this.#nowMs = next?.atMs ?? this.#nowMs;
      next?.run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return this.watch.isCutOff;
  }

  get isPlanned(): boolean {
    return this.#planned.length > 0;
  }
}

describe('a node that lost its lease', () => {
  it('is cut off once another one says that it serves, and no longer when it has the lease again', async () => {
    const node = new Watched();
    node.others = [member('b', 'http://b:7400'), member('c', 'http://c:7400')];
    expect(await node.looks(3)).toBe(false);
    expect(node.asked).toEqual([]);
    node.holdsLease = false;
    expect(await node.looks(3)).toBe(false);
    node.ready.add('http://c:7400');
    expect(await node.looks(1)).toBe(true);
    node.ready.clear();
    const { length } = node.asked;
    expect(await node.looks(3)).toBe(true);
    expect(node.asked).toHaveLength(length);
    node.holdsLease = true;
    expect(await node.looks(1)).toBe(false);
    expect(node.logged).toHaveLength(2);
  });

  it('keeps its clients when it is alone, and when nobody serves', async () => {
    const node = new Watched();
    node.holdsLease = false;
    expect(await node.looks(20)).toBe(false);
    node.others = [member('b', 'http://b:7400')];
    expect(await node.looks(20)).toBe(false);
  });

  it('keeps them while the store answers: it was too busy to renew its lease', async () => {
    const node = new Watched();
    node.others = [member('b', 'http://b:7400')];
    node.ready.add('http://b:7400');
    node.holdsLease = false;
    node.reachesStore = true;
    expect(await node.looks(20)).toBe(false);
    node.reachesStore = false;
    expect(await node.looks(1)).toBe(true);
  });

  it('does not wait long for a store that does not answer', async () => {
    const node = new Watched();
    node.others = [member('b', 'http://b:7400')];
    node.ready.add('http://b:7400');
    node.holdsLease = false;
    node.reachesStore = null;
    // A look, the deadline, and the moment for an answer that is there already.
    expect(await node.looks(2)).toBe(false);
    expect(await node.looks(1)).toBe(true);
  });

  it('sends them away when the others told no address to ask at', async () => {
    const node = new Watched();
    node.others = [member('b', 'http://0.0.0.0:7400'), member('c', 'http://[::]:7400'), member('d', '')];
    node.holdsLease = false;
    expect(await node.looks(1)).toBe(false);
    expect(await node.looks(1)).toBe(true);
    expect(node.asked).toEqual([]);
  });

  it('and has it again when the answer comes keeps them', async () => {
    const node = new Watched();
    node.others = [member('b', 'http://b:7400')];
    node.ready.add('http://b:7400');
    node.holdsLease = false;
    await node.looks(1);
    node.meanwhile = () => {
      node.holdsLease = true;
    };
    expect(await node.looks(1)).toBe(false);
  });

  it('asks a few of many', async () => {
    const node = new Watched();
    node.others = Array.from({ length: 50 }, (_, index) => member(`n${String(index)}`, `http://n${String(index)}:1`));
    node.holdsLease = false;
    await node.looks(1);
    expect(new Set(node.asked).size).toBe(3);
  });

  it('looks no more once it was stopped', async () => {
    const node = new Watched();
    await node.looks(1);
    node.watch.stop();
    expect(node.isPlanned).toBe(false);
  });
});

describe('whether a server is ready', () => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? status : 404).end('{}');
  });
  let status = 200;
  afterEach(() => {
    server.close();
  });

  it('is asked over HTTP, and one that is not there is not', async () => {
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const url = `http://127.0.0.1:${String(typeof address === 'object' ? address?.port : '')}`;
    expect(await isReadyAt(url)).toBe(true);
    status = 503;
    expect(await isReadyAt(url)).toBe(false);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await isReadyAt(url)).toBe(false);
    expect(await isReadyAt('no address')).toBe(false);
  });
});
