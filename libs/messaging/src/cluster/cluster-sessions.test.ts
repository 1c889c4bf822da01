import type { Clock, NodeId, Timers, UserId } from '@millrace/kernel';
import type { ClusterView, Role } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import type { SessionInfo, SessionPort } from '../chat-service.ts';
import { ClusterSessions } from './cluster-sessions.ts';

const alice = 'alice' as UserId;
const runOf = (name: string): NodeId => `${name}-1` as NodeId;

class AGateway implements SessionPort {
  live: SessionInfo[];

  constructor(...devices: string[]) {
    this.live = devices.map((device) => ({ session: `s-${device}`, device, client: null, ip: '::1', since: 1 }));
  }

  list(): readonly SessionInfo[] {
    return this.live;
  }

  arrivals(): [] {
    return [];
  }

  replace(): null {
    return null;
  }

  kick(_user: UserId, session?: string): number {
    const before = this.live.length;
    this.live = this.live.filter((each) => session !== undefined && each.session !== session);
    return before - this.live.length;
  }
}

/** The node `a` asks; each other one answers by the view that it has, unless it is silent. */
class ACluster {
  nowMs = 0;
  readonly gateways = new Map<string, AGateway>();
  readonly roles = new Map<string, readonly Role[]>();
  readonly silent = new Set<string>();
  /** By node: the version that it has. */
  readonly versions = new Map<string, number>();
  readonly asked: string[] = [];
  view: ClusterView | null = null;
  /** What `a` learns once it asks for it. */
  newer: ClusterView | null = null;
  readonly #others = new Map<string, ClusterSessions>();
  readonly sessions: ClusterSessions;

  constructor(nodes: Readonly<Record<string, AGateway>>) {
    for (const [name, gateway] of Object.entries(nodes)) this.gateways.set(name, gateway);
    this.view = this.viewOf(1, Object.keys(nodes));
    this.sessions = this.#at('a');
  }

  viewOf(version: number, names: readonly string[]): ClusterView {
    const members = names.map((name) => {
      const roles = this.roles.get(name) ?? (['gateway', 'actors'] as const);
      return { name, node: runOf(name), roles, isDraining: false, url: '', socketUrl: '' };
    });
    return { version, members, owners: [], since: [], before: [] };
  }

  #at(name: string): ClusterSessions {
    const clock: Clock = { nowMs: () => 0, monotonicMs: () => this.nowMs };
    const timers: Timers = {
      soon: (callback) => setImmediate(callback),
      after: (delayMs, callback) => {
        setImmediate(() => {
          this.nowMs += delayMs;
          callback();
        });
        return () => undefined;
      },
    };
    return new ClusterSessions({
      self: runOf(name),
      name,
      port: this.gateways.get(name) ?? new AGateway(),
      clock,
      timers,
      view: () => (name === 'a' ? this.view : this.viewOf(this.versions.get(name) ?? 1, [])),
      behind: () => {
        this.view = this.newer ?? this.view;
      },
      ask: async (msMax, to, question) => {
        const other = to.slice(0, -2);
        this.asked.push(other);
        if (!this.silent.has(other)) {
          const node = this.#others.get(other) ?? this.#at(other);
          this.#others.set(other, node);
          return { ok: true, value: node.tell(question) };
        }
        this.nowMs += msMax;
        return null;
      },
    });
  }
}

const devicesOf = ({
  sessions,
}: {
  readonly sessions: readonly { readonly node: string; readonly device: string }[];
}) => sessions.map(({ node, device }) => `${node} ${device}`);

describe('the sessions of a user on all nodes', () => {
  it('are listed with their nodes, and closed, all or the one that is named, wherever they are', async () => {
    const cluster = new ACluster({ a: new AGateway('phone'), b: new AGateway('laptop', 'watch'), c: new AGateway() });
    const listed = await cluster.sessions.list(alice);
    expect(listed.ok && devicesOf(listed.value)).toEqual(['a phone', 'b laptop', 'b watch']);
    expect(await cluster.sessions.close(alice, 's-laptop')).toEqual({ ok: true, value: { closed: 1, missing: [] } });
    expect(await cluster.sessions.close(alice, null)).toEqual({ ok: true, value: { closed: 2, missing: [] } });
    expect(await cluster.sessions.list(alice)).toEqual({ ok: true, value: { sessions: [], missing: [] } });
  });

  it('name the nodes with sockets that do not answer, and take no longer than they may (S1)', async () => {
    const cluster = new ACluster({ a: new AGateway('phone'), b: new AGateway('laptop') });
    cluster.roles.set('d', ['actors']);
    cluster.view = cluster.viewOf(1, ['a', 'b', 'd']);
    cluster.silent.add('b');
    const listed = await cluster.sessions.list(alice);
    expect(listed).toMatchObject({ ok: true, value: { sessions: [{ device: 'phone' }], missing: ['b'] } });
    expect(await cluster.sessions.close(alice, null)).toEqual({ ok: true, value: { closed: 1, missing: ['b'] } });
    expect(cluster.asked).toEqual(['b', 'd', 'b', 'd']);
    expect(cluster.nowMs).toBeLessThanOrEqual(2 * 2_000);
  });

  it('are found on a node that only another one has heard of so far, be it without sockets (S1)', async () => {
    const cluster = new ACluster({ a: new AGateway('phone'), b: new AGateway('laptop'), c: new AGateway('watch') });
    cluster.roles.set('d', ['actors']);
    cluster.view = cluster.viewOf(1, ['a', 'b', 'd']);
    cluster.newer = cluster.viewOf(2, ['a', 'b', 'c', 'd']);
    cluster.versions.set('d', 2);
    const closed = await cluster.sessions.close(alice, null);
    expect(closed).toEqual({ ok: true, value: { closed: 3, missing: [] } });
    // Each once: what is closed there is closed.
    expect(cluster.asked).toEqual(['b', 'd', 'c']);
  });

  it('cannot be told when a newer view does not come in time (S1)', async () => {
    const cluster = new ACluster({ a: new AGateway('phone'), b: new AGateway() });
    cluster.versions.set('b', 2);
    expect(await cluster.sessions.close(alice, null)).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(cluster.nowMs).toBeLessThan(3_000);
  });

  it('are those of this node alone where there is no view yet', async () => {
    const cluster = new ACluster({ a: new AGateway('phone') });
    cluster.view = null;
    const listed = await cluster.sessions.list(alice);
    expect(listed.ok && devicesOf(listed.value)).toEqual(['a phone']);
  });
});
