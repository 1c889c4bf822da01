import { generation, sequenceId } from '@millrace/kernel';
import type { ActorWrite, Commit } from '@millrace/partition';
import { actorKey, at, commitIdOf } from '@millrace/partition/conformance';
import { inGeneration, type TimelineHead } from '@millrace/timeline';
import fc from 'fast-check';

export const ACTORS = ['c:a', 'c:b', 'u:a'].map(actorKey);

/** How the next commit differs from the one that the store would accept. */
const flaw = fc.oneof(
  { weight: 12, arbitrary: fc.constant('none' as const) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      'old-token',
      'wrong-uuid',
      'ahead',
      'behind',
      'other-id',
      'again',
      'again',
      'again',
      'wrong-head',
      'gap',
      'twice',
      'reserved',
    ),
  },
);
const write = fc.record({
  actor: fc.nat(ACTORS.length - 1),
  entries: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
  set: fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'm:x', 'd:é'), fc.uint8Array({ maxLength: 20 })), {
    selector: ([field]) => field,
    maxLength: 4,
  }),
  unset: fc.uniqueArray(fc.constantFrom('u1', 'u2', 'a')),
  genUp: fc.constantFrom(0, 0, 0, 0, 1, 2),
  importAt: fc.constantFrom(1, 1, 1, 500, 9_007_199_254_740_900),
  trim: fc.constantFrom(null, null, null, 0, -1, -3, 1),
});
/** One thing to ask of a store. */
export const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('claim' as const), partition: fc.nat(1), above: fc.nat(6) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      partition: fc.nat(1),
      old: fc.boolean(),
      commitNo: fc.nat(6),
      givenIn: fc.nat(3),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      partition: fc.nat(1),
      flaw,
      writes: fc.uniqueArray(write, { selector: ({ actor }) => actor, maxLength: 3 }),
      feed: fc.option(fc.uint8Array({ maxLength: 10 })),
      diffused: fc.option(fc.nat(5)),
      keeps: fc.nat(4),
      recovering: fc.option(fc.nat(3)),
      deadLetters: fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 1 }),
      settle: fc.option(fc.constantFrom('memory' as const, 'disk' as const), { freq: 5 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      partition: fc.nat(1),
      actor: fc.nat(ACTORS.length - 1),
      from: fc.tuple(fc.nat(3), fc.nat(12)),
      to: fc.tuple(fc.nat(3), fc.nat(12)),
      limit: fc.integer({ min: 1, max: 6 }),
      direction: fc.constantFrom('forward' as const, 'backward' as const),
      after: fc.nat(10),
    }),
  },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type CommitStep = Extract<Step, { do: 'commit' }>;

/** What both sides have accepted so far, from which the next commit is made. */
export interface Accepted {
  commitNo: number;
  last: Omit<Commit, 'token'> | null;
  gen: number;
  readonly heads: Map<string, TimelineHead>;
}

/** A write that the store accepts, as planned. */
export function actorWrite(accepted: Accepted, planned: CommitStep['writes'][number]): ActorWrite {
  const actor = ACTORS[planned.actor] ?? actorKey('c:none');
  const known = accepted.heads.get(actor);
  const base = known ?? { ...at(1, 0), first: sequenceId(1), past: [] };
  const begun = inGeneration(base, generation(base.gen + planned.genUp));
  const first = base.seq === 0 && planned.entries.length > 0 ? planned.importAt : base.seq + 1;
  const seq = planned.entries.length === 0 ? base.seq : first + planned.entries.length - 1;
  const head = { ...begun, seq: sequenceId(seq), first: base.seq === 0 ? sequenceId(first) : begun.first };
  const fields = new Set<string>(planned.set.map(([field]) => field));
  return {
    actor,
    expected: known === undefined ? at(0, 0) : at(known.gen, known.seq),
    head,
    entries: planned.entries,
    set: planned.set,
    unset: planned.unset.filter((field) => !fields.has(field)),
    trimBefore: planned.trim === null ? null : at(head.gen, Math.max(0, head.seq + planned.trim)),
  };
}

/** The same commit with one thing wrong. */
export function flawed(
  commit: Omit<Commit, 'token'>,
  kind: CommitStep['flaw'],
  accepted: Accepted,
): Omit<Commit, 'token'> {
  const [first, ...others] = commit.writes;
  const otherwise = (change: Partial<ActorWrite>): Omit<Commit, 'token'> =>
    first === undefined ? commit : { ...commit, writes: [...others, { ...first, ...change }] };
  switch (kind) {
    case 'ahead':
      return { ...commit, commitNo: commit.commitNo + 9 };
    case 'behind':
      return { ...commit, commitNo: Math.max(1, commit.commitNo - 2) };
    case 'other-id':
      return { ...commit, commitNo: Math.max(1, commit.commitNo - 1), commitId: commitIdOf(0xfff) };
    case 'again':
      return accepted.last ?? commit;
    case 'wrong-head':
      return first === undefined
        ? commit
        : otherwise({ expected: at(first.expected.gen, first.expected.seq + 1), entries: [] });
    case 'gap':
      return first === undefined ? commit : otherwise({ head: { ...first.head, seq: sequenceId(first.head.seq + 1) } });
    case 'twice':
      return first === undefined ? commit : { ...commit, writes: [...commit.writes, first] };
    case 'reserved':
      return otherwise({ set: [['h', '1-1']] });
    default:
      return commit;
  }
}
