import { generation, InvariantViolation, partitionId, sequenceId, type Clock } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Commit, HeldCommit } from './commit.ts';
import { HeldCommits } from './held-commits.ts';

const idOf = (commitNo: number): string => commitNo.toString(16).padStart(16, '0');

function commit(commitNo: number, bytes = 0): Commit {
  const position = { gen: generation(1), seq: sequenceId(commitNo) };
  return {
    commitNo,
    commitId: idOf(commitNo),
    partition: partitionId(0),
    token: { epoch: 1, uuid: '' },
    feed: null,
    diffusedTo: null,
    feedFrom: null,
    recovering: null,
    deadLetters: [],
    settle: null,
    writes: [
      {
        actor: 'c:a' as ActorKey,
        expected: position,
        head: { ...position, first: sequenceId(1), past: [] },
        entries: [new Uint8Array(bytes)],
        set: [],
        unset: [],
        trimBefore: null,
      },
    ],
  };
}

const bytesIn = (held: HeldCommit): number => ('writes' in held ? (held.writes[0]?.entries[0]?.length ?? 0) : 0);

const at = (time: { ms: number }): Clock => ({ nowMs: () => 0, monotonicMs: () => time.ms });
const base = { commitNo: 10, commitId: idOf(10) };

describe('HeldCommits', () => {
  it('holds a contiguous end of what was acknowledged, and never more than its bounds (I9)', () => {
    const steps = fc.array(fc.tuple(fc.nat(400), fc.nat(5_000)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (added) => {
        const time = { ms: 0 };
        const held = new HeldCommits(partitionId(0), at(time), { ageMsMax: 1_000, bytesMax: 20_000 }, base);
        const times = new Map<number, number>();
        added.forEach(([waitMs, bytes], index) => {
          time.ms += waitMs;
          const commitNo = 11 + index;
          held.add(commit(commitNo, bytes));
          times.set(commitNo, time.ms);
          expect(held.last).toMatchObject({ commitNo, commitId: idOf(commitNo) });
          const kept = held.from(0);
          const numbers = kept.map((each) => each.commitNo);
          expect(numbers).toEqual(numbers.map((_, place) => commitNo - numbers.length + 1 + place));
          expect(kept.every((each) => time.ms - (times.get(each.commitNo) ?? 0) <= 1_000)).toBe(true);
          expect(kept.reduce((sum, each) => sum + bytesIn(each), 0)).toBeLessThan(20_000);
          const first = commitNo - numbers.length + 1;
          for (let asked = 10; asked <= commitNo + 1; asked += 1) {
            expect(held.holdsFrom(asked)).toBe(asked >= first);
            expect(held.idOf(asked)).toBe(asked >= first - 1 && asked <= commitNo ? idOf(asked) : null);
          }
        });
      }),
    );
  });

  it('gives what follows on a commit, in order', () => {
    const held = new HeldCommits(partitionId(0), at({ ms: 0 }), { ageMsMax: 1_000, bytesMax: 20_000 }, base);
    for (const commitNo of [11, 12, 13]) held.add(commit(commitNo));
    expect(held.from(12).map(({ commitNo }) => commitNo)).toEqual([12, 13]);
    expect(held.from(14)).toEqual([]);
  });

  it('holds what the store has left of a commit as that is', () => {
    const held = new HeldCommits(partitionId(0), at({ ms: 0 }), { ageMsMax: 1_000, bytesMax: 20_000 }, base);
    const sent = { bytes: new Uint8Array(15_000) };
    held.add({ ...commit(11), memo: { sent } });
    held.add({ ...commit(12), memo: { sent: null } });
    const [left, packed] = held.from(11);
    const identity = { partition: partitionId(0), token: { epoch: 1, uuid: '' }, commitNo: 11, commitId: idOf(11) };
    expect(left).toEqual({ ...identity, sent });
    expect(left !== undefined && 'sent' in left && left.sent).toBe(sent);
    expect(packed).toEqual(commit(12));
    // It counts for its bound, too.
    held.add({ ...commit(13), memo: { sent } });
    expect(held.from(0).map(({ commitNo }) => commitNo)).toEqual([12, 13]);
  });

  it('gives each commit as it was: a replay sends the same bytes (I5)', () => {
    const position = fc.record({ gen: fc.nat().map(generation), seq: fc.nat().map(sequenceId) });
    const span = fc.tuple(fc.nat(), fc.nat(), fc.nat()).map(([gen, first, last]) => ({
      ...{ gen: generation(gen), first: sequenceId(first), last: sequenceId(last) },
    }));
    const head = fc.tuple(position, fc.nat().map(sequenceId), fc.array(span, { maxLength: 3 }));
    const bytes = fc.uint8Array({ maxLength: 200 });
    const text = fc.string({ unit: 'grapheme', maxLength: 80 });
    const write = fc.record({
      actor: text.map((name) => `u:${name}` as ActorKey),
      expected: position,
      head: head.map(([at, first, past]) => ({ ...at, first, past })),
      entries: fc.array(bytes, { maxLength: 4 }),
      set: fc.array(fc.tuple(text, fc.oneof(text, bytes)), { maxLength: 4 }),
      unset: fc.array(text, { maxLength: 3 }),
      trimBefore: fc.option(position),
    });
    const content = fc.record({
      writes: fc.array(write, { maxLength: 4 }),
      feed: fc.option(bytes),
      diffusedTo: fc.option(fc.nat()),
      feedFrom: fc.option(fc.nat()),
      recovering: fc.option(fc.nat().map(generation)),
      deadLetters: fc.array(bytes, { maxLength: 2 }),
      settle: fc.option(
        fc.record({
          gen: fc.nat().map(generation),
          run: text,
          level: fc.constantFrom('memory' as const, 'disk' as const, 'replicated' as const),
        }),
      ),
    });
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: 5 }), (contents) => {
        const limits = { ageMsMax: 1_000, bytesMax: 1_000_000 };
        const held = new HeldCommits(partitionId(7), at({ ms: 0 }), limits, base);
        const commits = contents.map((each, index): Commit => {
          const commitNo = 11 + index;
          const token = { epoch: 3, uuid: 'abc' };
          return { partition: partitionId(7), token, commitNo, commitId: idOf(commitNo), ...each };
        });
        for (const each of commits) held.add(each);
        expect(held.from(0)).toEqual(commits);
      }),
    );
  });

  it('takes no commit that does not follow on the last one', () => {
    const held = new HeldCommits(partitionId(0), at({ ms: 0 }), { ageMsMax: 1_000, bytesMax: 20_000 }, base);
    expect(() => {
      held.add(commit(12));
    }).toThrow(InvariantViolation);
  });
});
