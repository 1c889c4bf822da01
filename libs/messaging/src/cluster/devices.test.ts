import { partitionId, type DeviceId, type NodeId, type UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionPort } from '../chat-service.ts';
import { isLater, type Arrival } from './arrival.ts';
import { Devices } from './devices.ts';
import { Interest } from './interest.ts';
import type { NodeNote } from './node-messages.ts';

const ann = 'ann' as UserId;
const phone = 'phone' as DeviceId;
const runs = ['a', 'b', 'c', 'd'] as NodeId[];

const at = (version: number, owner: string, n: number): Arrival => ({ version, owner: owner as NodeId, n });

describe('an arrival', () => {
  it('is later by the version, then by its number, and neither is where two runs gave them by one version', () => {
    const inOrder = [at(1, 'a', 1), at(1, 'a', 2), at(2, 'b', 1), at(3, 'a', 1)];
    inOrder.forEach((one, index) => {
      inOrder.forEach((other, than) => expect(isLater(one, other)).toBe(index > than));
    });
    expect([isLater(at(1, 'a', 1), at(1, 'b', 9)), isLater(at(1, 'b', 9), at(1, 'a', 1))]).toEqual([false, false]);
  });
});

/** As a gateway keeps one session of the device, with what it heard of others before it was open. */
class ASession {
  arrival: Arrival | null = null;
  rival: Arrival | null = null;
  state: 'opening' | 'open' | 'lost' | 'replaced' = 'opening';
  /** By a newer socket on the same node. */
  wasTakenOver = false;
}

const comesAfter = (one: ASession, other: ASession): boolean =>
  one.arrival !== null && other.arrival !== null && isLater(one.arrival, other.arrival);

/** A node with sockets, which may be the owner of the user, too. */
class ANode implements SessionPort {
  readonly interest = new Interest(() => partitionId(0));
  readonly devices: Devices;
  session: ASession | null = null;

  constructor(run: NodeId, cluster: ACluster) {
    this.devices = new Devices({
      self: run,
      port: this,
      interest: this.interest,
      viewVersion: () => cluster.version,
      ownerOf: () => cluster.owner,
      tellAll: (nodes, note) => {
        for (const node of nodes) cluster.send(run, node, () => cluster.node(node).heard(run, note));
      },
    });
  }

  heard(from: NodeId, note: NodeNote): void {
    if (note.n === 'connected' || note.n === 'replaced') this.devices.heard(from, note);
  }

  list(): [] {
    return [];
  }

  kick(): number {
    return 0;
  }

  arrivals() {
    const { session } = this;
    return session?.state === 'open' && session.arrival !== null ? [{ device: phone, arrival: session.arrival }] : [];
  }

  replace(_user: UserId, _device: DeviceId, rival: Arrival): Arrival | null {
    const { session } = this;
    if (session === null || session.state === 'replaced' || session.state === 'lost') return null;
    if (session.arrival === null) {
      if (session.rival === null || isLater(rival, session.rival)) session.rival = rival;
      return null;
    }
    if (isLater(rival, session.arrival)) session.state = 'replaced';
    return isLater(session.arrival, rival) ? session.arrival : null;
  }
}

/** Nodes whose messages take their time, in order from one to another; the user's owner changes. */
class ACluster {
  version = 1;
  owner: NodeId = runs[0] as NodeId;
  readonly sessions: ASession[] = [];
  readonly #nodes = new Map<NodeId, ANode>();
  readonly #ways = new Map<string, (() => void)[]>();

  node(run: NodeId): ANode {
    const known = this.#nodes.get(run);
    if (known !== undefined) return known;
    const node = new ANode(run, this);
    this.#nodes.set(run, node);
    return node;
  }

  send(from: NodeId, to: NodeId, arrive: () => void): void {
    const way = `${from} ${to}`;
    this.#ways.set(way, [...(this.#ways.get(way) ?? []), arrive]);
  }

  /** Hands over what is first on one of the ways. @returns whether there was anything. */
  step(choice: number): boolean {
    const busy = [...this.#ways].filter(([, waiting]) => waiting.length > 0);
    const [, waiting] = busy[choice % Math.max(1, busy.length)] ?? [];
    waiting?.shift()?.();
    return waiting !== undefined;
  }

  move(to: NodeId): void {
    this.version += 1;
    this.owner = to;
    for (const [run, node] of this.#nodes) {
      if (run !== to) node.interest.keepOnly(new Set());
      // It asks again, and then says anew what it has.
      if (node.session !== null) this.#ask(run, () => node.devices.again(ann));
    }
  }

  /** `attach`: to the owner and back, over again when that is not the owner any more. */
  #ask(run: NodeId, answered: (arrival: Arrival) => void): void {
    const { owner } = this;
    this.send(run, owner, () => {
      const node = this.node(owner);
      if (owner !== this.owner) {
        this.send(owner, run, () => this.#ask(run, answered));
        return;
      }
      if (run !== owner) node.interest.add(ann, run);
      const arrival = node.devices.arrival();
      this.send(owner, run, () => answered(arrival));
    });
  }

  connect(run: NodeId, isLost: boolean): void {
    const node = this.node(run);
    const before = node.session;
    if (before !== null && before.state !== 'lost') {
      before.state = 'replaced';
      before.wasTakenOver = true;
    }
    const session = new ASession();
    node.session = session;
    this.sessions.push(session);
    this.#ask(run, (arrival) => {
      if (isLost && session.state === 'opening') session.state = 'lost';
      if (session.state !== 'opening') return;
      if (session.rival !== null && isLater(session.rival, arrival)) session.state = 'replaced';
      else {
        session.arrival = arrival;
        session.state = 'open';
        node.devices.connected(ann, phone, arrival);
      }
    });
  }
}

describe('the sessions of one device on several nodes', () => {
  it('come down to the latest that was opened, in whatever order nodes hear of each other, over changes of owner (D1, D2)', () => {
    const node = fc.constantFrom(...runs);
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('connect' as const), node, isLost: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), node, isLost: fc.constant(0) }) },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.array(fc.nat(11), { maxLength: 12 })), { maxLength: 12 }), (steps) => {
        const cluster = new ACluster();
        for (const [each, handed] of steps) {
          if (each.do === 'move') cluster.move(each.node);
          else cluster.connect(each.node, each.isLost === 4);
          for (const choice of handed) cluster.step(choice);
        }
        while (cluster.step(0));
        const { sessions } = cluster;
        expect(sessions.filter(({ state }) => state === 'opening')).toEqual([]);
        const open = sessions.filter(({ state }) => state === 'open');
        expect(open.length).toBeLessThanOrEqual(1);
        const opened = sessions.filter(({ arrival }) => arrival !== null);
        const last = opened.find((one) => opened.every((other) => !comesAfter(other, one)));
        // Unless a newer socket on its own node took its place, and was lost itself.
        if (last?.wasTakenOver === false) expect(open).toEqual([last]);
      }),
    );
  });

  it('are told of by the node of the newer one, when only the older one is heard of (D3)', () => {
    const cluster = new ACluster();
    const [a, b] = [cluster.node('a' as NodeId), cluster.node('b' as NodeId)];
    for (const [node, n] of [
      [a, 1],
      [b, 2],
    ] as const) {
      node.session = Object.assign(new ASession(), { state: 'open', arrival: at(1, 'c', n) });
    }
    b.heard('a' as NodeId, { n: 'connected', user: ann, device: phone, arrival: at(1, 'c', 1) });
    while (cluster.step(0));
    expect([a.session?.state, b.session?.state]).toEqual(['replaced', 'open']);
  });
});
