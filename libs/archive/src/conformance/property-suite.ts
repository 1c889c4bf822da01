import { generation, sequenceId, utf8, type ConversationId, type Result } from '@millrace/kernel';
import type { RangeQuery } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArchiveStore } from '../archive-store.ts';
import { MemoryArchive } from '../testing/memory-archive.ts';
import { at, conversationId, texts, verdicts } from './a-conversation.ts';
import type { ArchiveUnderTest } from './archive-under-test.ts';
import { chainOf } from './chain-suite.ts';

const GENERATIONS_MAX = 3;
const SEQ_MAX = 30;

/** One call on an archive. Small numbers, so that calls often meet. */
type Call =
  | { readonly kind: 'append'; readonly chunks: readonly ChunkDraft[] }
  | { readonly kind: 'read'; readonly who: number; readonly query: RangeQuery }
  | { readonly kind: 'erase'; readonly who: number; readonly gen: number; readonly seq: number; readonly count: number }
  | { readonly kind: 'trim'; readonly who: number; readonly gen: number; readonly seq: number }
  | { readonly kind: 'drop'; readonly who: number };

/** Where a chunk begins: behind what is archived, give or take a little, or anywhere. */
interface ChunkDraft {
  readonly who: number;
  readonly gen: number;
  readonly place: { readonly behind: number } | { readonly first: number };
  readonly count: number;
  readonly flavour: number;
}

const who = fc.nat({ max: 1 });
const gen = fc.integer({ min: 1, max: GENERATIONS_MAX });
const seq = fc.integer({ min: 1, max: SEQ_MAX });
const position = fc.tuple(gen, seq).map(([g, s]) => at(g, s));

const draft: fc.Arbitrary<ChunkDraft> = fc.record({
  who,
  gen,
  place: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom({ behind: 1 }) },
    { weight: 1, arbitrary: fc.record({ behind: fc.integer({ min: -4, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ first: seq }) },
  ),
  count: fc.integer({ min: 1, max: 5 }),
  // Mostly the same, so that an append comes again with the same bytes.
  flavour: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
});

const query: fc.Arbitrary<RangeQuery> = fc.record({
  from: position,
  to: position,
  limit: fc.integer({ min: 1, max: 12 }),
  direction: fc.constantFrom('forward' as const, 'backward' as const),
});

/** Any of them. */
export const anyCall: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      chunks: fc.array(draft, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), who, query }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('erase' as const), who, gen, seq, count: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), who, gen, seq }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), who }) },
);

/** An outcome as text; of errors what a caller decides by. */
function shown<T>(result: Result<T, object>, show: (value: T) => unknown): unknown {
  return result.ok ? show(result.value) : result.error;
}

/** @returns what its caller can see of it. */
export async function carryOut(archive: ArchiveStore, call: Call, names: readonly ConversationId[]): Promise<unknown> {
  const nameOf = (index: number): ConversationId => names[index] ?? conversationId('none');
  switch (call.kind) {
    case 'append': {
      const chunks = [];
      for (const { who, gen, place, count, flavour } of call.chunks) {
        const extent = await archive.extent(nameOf(who));
        const last = extent.ok ? (extent.value.find((span) => span.gen === gen)?.last ?? 0) : 0;
        const first = Math.max(1, 'first' in place ? place.first : last + place.behind);
        const entries = Array.from({ length: count }, (_, index) =>
          utf8(`${String(gen)}-${String(first + index)} ${'~'.repeat(flavour)}`),
        );
        chunks.push({ conversation: nameOf(who), gen: generation(gen), first: sequenceId(first), entries });
      }
      const outcome = await archive.append(chunks);
      return shown(outcome, (outcomes) => [verdicts(outcomes), outcomes.map((one) => (one.ok ? null : one.error))]);
    }
    case 'read':
      return shown(await archive.read(nameOf(call.who), call.query), texts);
    case 'erase': {
      const tombstones = Array.from({ length: call.count }, (_, index) => utf8(`gone ${String(index)}`));
      const outcome = await archive.erase(nameOf(call.who), [{ ...at(call.gen, call.seq), tombstones }]);
      return shown(outcome, ({ entries, missing }) => [
        entries,
        missing.flatMap(({ gen, first, last }) =>
          Array.from({ length: last - first + 1 }, (_, index) => `${String(gen)}-${String(first + index)}`),
        ),
      ]);
    }
    case 'trim':
      return shown(await archive.trim(nameOf(call.who), at(call.gen, call.seq)), () => null);
    case 'drop':
      return shown(await archive.drop(nameOf(call.who)), () => null);
  }
}

/** The position of one entry, each at its turn. */
function pointsOf(archive: ArchiveStore, conversation: ConversationId): Promise<readonly unknown[]> {
  const all = Array.from({ length: 40 }, (_, index) => at(1 + (index % GENERATIONS_MAX), 1 + index));
  return Promise.all(
    all.map(async (one) =>
      shown(await archive.at(conversation, one), (entry) => (entry === null ? null : texts([entry]))),
    ),
  );
}

/** The chain, without its links: each archive draws salts of its own. None of it is broken. */
async function linkedOf(archive: ArchiveStore, conversation: ConversationId): Promise<readonly unknown[]> {
  const chain = await chainOf({ archive }, conversation);
  return chain.map(({ gen, first, last, erased, fault }) => ({ gen, first, last, erased, fault }));
}

/** Of an older generation after what goes on with an even older one, also where that was let go: it has no place in that chain. */
const lateGeneration: Call[] = [
  {
    kind: 'append',
    chunks: [
      { who: 1, gen: 1, place: { first: 1 }, count: 1, flavour: 0 },
      { who: 1, gen: 3, place: { first: 2 }, count: 1, flavour: 0 },
    ],
  },
  { kind: 'append', chunks: [{ who: 1, gen: 2, place: { first: 1 }, count: 1, flavour: 0 }] },
  { kind: 'trim', who: 1, gen: 1, seq: 2 },
  { kind: 'append', chunks: [{ who: 1, gen: 1, place: { first: 1 }, count: 1, flavour: 0 }] },
];

export function propertySuite(opened: () => ArchiveUnderTest, runs: number): void {
  describe('whatever is called', () => {
    it('answers as the model does, call by call, and holds the same in the end', async () => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(anyCall, { minLength: 1, maxLength: 25 }), async (calls) => {
          round += 1;
          const names = [0, 1].map((index) => conversationId(`c${String(round)}.${String(index)}`));
          const { archive } = opened();
          const model = new MemoryArchive();
          for (const one of calls) {
            expect(await carryOut(archive, one, names)).toEqual(await carryOut(model, one, names));
          }
          for (const name of names) {
            expect(await archive.extent(name)).toEqual(await model.extent(name));
            expect(await pointsOf(archive, name)).toEqual(await pointsOf(model, name));
            expect(await linkedOf(archive, name)).toEqual(await linkedOf(model, name));
          }
        }),
        { numRuns: runs, examples: [[lateGeneration]] },
      );
    });
  });
}
