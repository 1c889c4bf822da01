import { describe, expect, it } from 'vitest';
import { localAddressFor } from './load/load-plan.ts';
import { parseBenchOptions } from './options.ts';
import { idleFigures, idleLines, idleRatio, type IdleLook, type IdleSide } from './report/idle.ts';
import { idlePlans, idleShapes } from './workloads/idle-shape.ts';
import { gaugeIn } from './workloads/server-metrics.ts';

const relay = { kind: 'relay', websockets: ['ws://one/', 'ws://two/'], secret: '' } as const;

describe('idle connections', () => {
  it('are 10,000 to one server, and 50,000 to four more when it may take long', () => {
    expect(idleShapes(1, false, 1)).toEqual([{ name: 'idle-10000', connections: 10_000, warm: 1_000, servers: 1 }]);
    expect(idleShapes(1, true, 1)[1]).toEqual({ name: 'idle-50000', connections: 50_000, warm: 5_000, servers: 4 });
    expect(idleShapes(0.00001, true, 6).map(({ connections, servers }) => [connections, servers])).toEqual([
      [6, 6],
      [6, 6],
    ]);
  });

  it('are shared out to load processes, each user once, at most 5,000 on an address', () => {
    const plans = idlePlans(25_000, 'r', relay);
    expect(plans.map(({ users }) => users.length)).toEqual([10_000, 10_000, 5_000]);
    expect(new Set(plans.flatMap(({ users }) => users)).size).toBe(25_000);
    const onAddress = new Map<string | null, number>();
    for (const plan of plans) {
      plan.users.forEach((_, user) => {
        const address = localAddressFor(plan, user);
        onAddress.set(address, (onAddress.get(address) ?? 0) + 1);
      });
    }
    expect([...onAddress].sort()).toEqual([1, 2, 3, 4, 5].map((last) => [`127.0.0.${String(last)}`, 5_000]));
  });

  const look = (residentBytes: number | null, heapBytes: number, node: number): IdleLook => ({
    residentBytes,
    heapBytes,
    cpuMicrosPerSecond: { node, redis: null, load: 0 },
  });
  const side = (full: number | null): IdleSide =>
    idleFigures({ connections: 100, connectSeconds: 1, empty: look(1_000, 500, 100), full: look(full, 700, 25_000) });

  it('take what the servers grew by, each, and CPU time as a share of a core', () => {
    expect(side(801_000)).toMatchObject({
      bytesPerConnection: 8_000,
      heapBytesPerConnection: 2,
      cpuPercent: { node: 2.5, redis: null, load: 0 },
      emptyCpuPercent: { node: 0.01 },
    });
  });

  it('are told beside those of the floor, and what cannot be seen is no number', () => {
    const figures = { millrace: { idle: side(801_000) }, floor: { idle: side(301_000) } };
    expect(idleRatio(figures, 'idle')).toEqual({ bytesAboveFloor: 5_000, heapBytesAboveFloor: 0 });
    expect(idleLines(figures).at(-1)).toBe('idle: 5,000 bytes a connection above the floor, 0 of heap');
    const unseen = { millrace: { idle: side(null) }, floor: figures.floor };
    expect(idleRatio(unseen, 'idle').bytesAboveFloor).toBe(null);
  });

  it('are 10,000 unless the options say more', () => {
    expect(parseBenchOptions(['idle'])).toMatchObject({ ok: true, value: { long: false } });
    expect(parseBenchOptions(['idle', '--long'])).toMatchObject({ ok: true, value: { long: true } });
  });

  it('have the heap of their servers read from the metrics', () => {
    const text = '# HELP a_b_c x\na_b 1\na_b_c{x="y"} 2.5e+3\n';
    expect([gaugeIn(text, 'a_b'), gaugeIn(text, 'a_b_c'), gaugeIn(text, 'a')]).toEqual([1, 2_500, null]);
  });
});
