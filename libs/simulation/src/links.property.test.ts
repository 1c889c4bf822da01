import type { NodeId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinkedNodes, type LinkedNode, type Told } from './testing/linked-nodes.ts';

const SEED = 20_261_126;
const RUNS = 120;

type Step =
  | { readonly do: 'call'; readonly from: number; readonly to: number; readonly times: number; readonly bytes: number }
  | { readonly do: 'note'; readonly from: number; readonly to: number; readonly times: number }
  | { readonly do: 'pause' | 'resume' | 'cut' | 'probe'; readonly node: number }
  | { readonly do: 'crash'; readonly operations: number; readonly downMs: number }
  | { readonly do: 'faults'; readonly share: number };

const index = fc.nat(2);
const times = fc.integer({ min: 1, max: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('call' as const), from: index, to: index, times, bytes: fc.nat(200) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('note' as const), from: index, to: index, times }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('pause', 'resume', 'cut', 'probe'), node: index }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      // Mostly the end of a stream or two, at times streams as a whole.
      operations: fc.oneof({ weight: 4, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.nat(300) }),
      downMs: fc.nat(300),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('faults' as const), share: fc.constantFrom(0, 0.05, 0.3) }),
  },
);
const steps = fc.array(fc.record({ step, thenMs: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(1_000)) }), {
  minLength: 5,
  maxLength: 40,
});

function perform(cluster: LinkedNodes, step: Step): void {
  const at = (index: number): LinkedNode | undefined => cluster.living[index % cluster.living.length];
  switch (step.do) {
    case 'call':
    case 'note': {
      const [from, to] = [at(step.from), at(step.to)];
      if (from === undefined || to === undefined || from === to) return;
      for (let count = 0; count < step.times; count += 1) {
        if (step.do === 'call') from.call(to.id, step.bytes);
        else from.note(to.id);
      }
      return;
    }
    case 'pause':
      at(step.node)?.client.pause();
      return;
    case 'resume':
      at(step.node)?.client.resume();
      return;
    case 'cut':
      at(step.node)?.client.cut();
      return;
    case 'probe':
      at(step.node)?.links.probe();
      return;
    case 'crash':
      cluster.model.crash({
        lostOperations: Math.min(step.operations, cluster.model.logLength),
        downMs: step.downMs,
      });
      return;
    default:
      cluster.disturb(step.share);
  }
}

/** The requests of one sender: in each epoch in order, each once (K2), and none before an earlier one was handed over. */
function checkRequests(told: readonly Told[]): void {
  const last = new Map<string, number>();
  for (const { number, epoch } of told) {
    expect(number, `in epoch ${epoch}`).toBeGreaterThan(last.get(epoch) ?? 0);
    last.set(epoch, number);
  }
}

/** The notes of one sender: in order, each at most once, and a gap before each that follows on a lost one (K3). */
function checkNotes(told: readonly Told[], sent: number): void {
  let seen = 0;
  let isAnnounced = false;
  for (const { what, number } of told) {
    if (what === 'gap') isAnnounced = true;
    if (what !== 'note') continue;
    expect(number).toBeGreaterThan(seen);
    if (number > seen + 1)
      expect(isAnnounced, `notes after ${String(seen)} were lost before ${String(number)}`).toBe(true);
    seen = number;
    isAnnounced = false;
  }
  expect(seen).toBe(sent);
}

function check(cluster: LinkedNodes): void {
  for (const node of cluster.living) {
    expect(node.troubles).toEqual([]);
    for (const { to, text, outcomes } of node.calls) {
      expect(outcomes, `${node.id} to ${to}: ${text}`).toHaveLength(1);
      const [outcome = ''] = outcomes;
      if (outcome === 'gone') expect(node.gone).toContain(to);
      else if (outcome !== 'overloaded') expect(outcome).toBe(`re:${text}`);
    }
    for (const other of cluster.living) {
      if (other === node) continue;
      const told = node.told.filter(({ from }) => from === other.id);
      checkRequests(told.filter(({ what }) => what === 'request'));
      checkNotes(told, other.notesTo.get(node.id) ?? 0);
    }
    const { unanswered, unansweredBytes, queuedBytes } = node.links.size;
    expect({ unanswered, unansweredBytes, queuedBytes }).toEqual({ unanswered: 0, unansweredBytes: 0, queuedBytes: 0 });
  }
}

function noteToAll(cluster: LinkedNodes): void {
  for (const from of cluster.living) for (const to of cluster.living) if (from !== to) from.note(to.id);
}

/** After the faults are over every call is answered without anybody's help, and a last note tells what was lost. */
async function settle(cluster: LinkedNodes): Promise<void> {
  cluster.heal();
  await cluster.run(15_000);
  for (const { calls } of cluster.living) for (const { outcomes } of calls) expect(outcomes).toHaveLength(1);
  // A note may be lost with what shows that one before it was; a probe shows that, and leaves the links intact.
  noteToAll(cluster);
  await cluster.run(1_000);
  for (const { links } of cluster.living) links.probe();
  await cluster.run(1_000);
  noteToAll(cluster);
  await cluster.run(5_000);
}

describe.each([2, 3])('%i nodes over a store with faults', (count) => {
  it('answer every call once, hand over in order, and announce what they lose (K1, K2, K3, I9)', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (steps, seed) => {
        const cluster = new LinkedNodes(count, seed);
        await cluster.open();
        cluster.disturb(0.05);
        for (const { step, thenMs } of steps) {
          perform(cluster, step);
          if (thenMs > 0) await cluster.run(thenMs);
        }
        await settle(cluster);
        check(cluster);
        // What was taken is trimmed, whatever happened to the trims in between.
        expect(cluster.model.state.size).toBe(0);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

describe('nodes of which one dies', () => {
  it('answer every call to it as gone or answered, and go on with each other (K1, K5)', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(2), fc.nat(2_000), fc.nat(), async (steps, victim, noticedMs, seed) => {
        const cluster = new LinkedNodes(3, seed);
        await cluster.open();
        cluster.disturb(0.05);
        const dead = cluster.nodes[victim];
        for (const [at, { step, thenMs }] of steps.entries()) {
          if (at === Math.floor(steps.length / 2)) dead?.kill();
          perform(cluster, step);
          if (thenMs > 0) await cluster.run(thenMs);
        }
        await cluster.run(noticedMs);
        const id = dead?.id ?? ('none' as NodeId);
        cluster.heal();
        await cluster.run(1_000);
        for (const survivor of cluster.living) {
          void survivor.client.discard(id);
          survivor.links.forget(id);
          survivor.gone.add(id);
        }
        await settle(cluster);
        check(cluster);
        for (const { links } of cluster.living) expect(links.size.links).toBe(1);
      }),
      { seed: SEED, numRuns: RUNS / 2 },
    );
  });
});
