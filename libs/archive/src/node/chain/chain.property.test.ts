import { generation, sequenceId, utf8, type ConversationId } from '@millrace/kernel';
import type { GenerationSpan, Position } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lastOf, sameBytes, type ArchivedChunk } from '../../archived-chunk.ts';
import { continuedFrom, NO_LINK, type ChainedChunk, type ChainPage } from '../../chain.ts';
import { conversationId, valueOf } from '../../conformance/a-conversation.ts';
import { erasedIn } from '../../erase-plan.ts';
import { decodeChunk, encodeChunk, readyChunk, sealedChunk } from '../chunk-codec.ts';
import { chainPage, linkInRow, type LinkedSpan } from './judge.ts';
import { leafOf, resealed } from './seal.ts';

const room: ConversationId = conversationId('room');
type Row = { readonly first: number; bytes: Uint8Array };
type Stored = { span: LinkedSpan; rows: Row[] };

/** What became of a conversation. Numbers are taken by the remainder of what there is. */
type Step =
  | { readonly t: 'roll'; readonly count: number; readonly text: string }
  | { readonly t: 'erase'; readonly at: number; readonly count: number }
  | { readonly t: 'retain'; readonly at: number }
  | { readonly t: 'lose'; readonly count: number };

const count = fc.integer({ min: 1, max: 4 });
const at = fc.nat({ max: 1_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ t: fc.constant('roll' as const), count, text: fc.string({ maxLength: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant('erase' as const), at, count }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('retain' as const), at }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('lose' as const), count }) },
);

/** An archive of one conversation, of nothing but rows and spans, as both stores have them. */
class Rows {
  readonly generations: Stored[] = [];
  #gen = 1;
  #seq = 0;

  carryOut(step: Step): void {
    if (step.t === 'roll') this.#roll(step.count, step.text);
    else if (step.t === 'erase') this.#erase(step.at, step.count);
    else if (step.t === 'retain') this.#retain(step.at);
    else this.#lose(step.count);
  }

  #roll(count: number, text: string): void {
    const first = sequenceId(this.#seq + 1);
    const entries = Array.from({ length: count }, (_, index) =>
      utf8(`${String(this.#gen)}-${String(first + index)} ${text}`),
    );
    const chunk = { conversation: room, gen: generation(this.#gen), first, entries };
    this.#seq += count;
    const stored = this.generations.find(({ span }) => span.gen === this.#gen);
    const before = stored === undefined ? this.#continued(chunk) : (stored.span.link ?? NO_LINK);
    const { bytes, link } = sealedChunk(readyChunk(chunk), before);
    const last = sequenceId(this.#seq);
    if (stored === undefined) {
      const span = { gen: chunk.gen, first, last, link };
      this.generations.push({ span, rows: [{ first, bytes }] });
      return;
    }
    stored.span = { ...stored.span, last, link };
    stored.rows.push({ first, bytes });
  }

  #continued(chunk: Pick<GenerationSpan, 'gen' | 'first'>): Uint8Array {
    const earlier = continuedFrom(
      this.generations.map(({ span }) => span),
      chunk,
    );
    if (earlier === null) return NO_LINK;
    const rows = this.generations.find(({ span }) => span === earlier.span)?.rows ?? [];
    const row = rows.findLast(({ first }) => first <= earlier.seq);
    return linkInRow(room, { gen: earlier.span.gen, seq: earlier.seq }, row);
  }

  #erase(at: number, count: number): void {
    const all = this.generations.flatMap(({ span, rows }) => rows.map((row) => ({ span, row })));
    const one = all[at % Math.max(1, all.length)];
    if (one === undefined) return;
    const { gen } = one.span;
    const chunk = valueOf(decodeChunk({ conversation: room, gen, first: sequenceId(one.row.first) }, one.row.bytes));
    const tombstones = Array.from({ length: count }, () => utf8('gone'));
    const erased = erasedIn(chunk, [{ gen, seq: sequenceId(chunk.first + (at % chunk.entries.length)), tombstones }]);
    if (erased === null || chunk.seal === null) throw new Error('it names an entry of a chunk that is sealed');
    one.row.bytes = encodeChunk({ ...erased, seal: resealed(chunk, chunk.seal, erased) });
  }

  /** Whole chunks leave from the beginning on. */
  #retain(at: number): void {
    const stored = this.generations[0];
    if (stored === undefined) return;
    stored.rows.splice(0, Math.min(at % 3, stored.rows.length - 1));
    stored.span = { ...stored.span, first: sequenceId(stored.rows[0]?.first ?? 1) };
  }

  /** The store lost its end: the Timeline goes on in a new generation from before it. */
  #lose(count: number): void {
    const first = this.generations[0]?.span.first ?? 1;
    this.#seq = Math.max(first, this.#seq - count, this.generations.at(-1)?.span.first ?? 1, 0);
    if (this.generations.length === 0) this.#seq = 0;
    this.#gen += 1;
  }

  chain(limit = 1_000): readonly ChainedChunk[] {
    const all: ChainedChunk[] = [];
    let after: Position | null = null;
    do {
      const { chunks, next } = this.#page(after, limit);
      all.push(...chunks);
      after = next;
    } while (after !== null);
    return all;
  }

  #page(after: Position | null, limit: number): ChainPage {
    const spans = this.generations.map(({ span }) => span);
    const walk = chainPage(room, spans, after, limit);
    let step = walk.next();
    while (step.done !== true) {
      const { span, seq, limit } = step.value;
      const rows = this.generations.find((stored) => stored.span === span)?.rows ?? [];
      const begin = rows.findLastIndex(({ first }) => first <= seq);
      step = walk.next(rows.slice(Math.max(0, begin), Math.max(0, begin) + limit));
    }
    return step.value;
  }

  faults(): readonly string[] {
    return this.chain().flatMap(({ gen, first, last, fault }) =>
      fault === null ? [] : [`${String(gen)}-${String(first)}..${String(last)} ${fault}`],
    );
  }
}

const played = (steps: readonly Step[]): Rows => {
  const rows = new Rows();
  for (const step of steps) rows.carryOut(step);
  return rows;
};

/** Every byte that a chunk is made of, each to be changed by a function that gives the changed chunk. */
function changes(chunk: ArchivedChunk): readonly (() => ArchivedChunk)[] {
  const { seal } = chunk;
  if (seal === null) throw new Error('it is sealed');
  const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
    Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0x10 : byte));
  const each = (bytes: Uint8Array, put: (bytes: Uint8Array) => ArchivedChunk): readonly (() => ArchivedChunk)[] =>
    Array.from(bytes, (_, at) => () => put(flipped(bytes, at)));
  const { blinding } = seal;
  const ofBlinding =
    blinding.kind === 'whole'
      ? each(blinding.secret, (secret) => ({ ...chunk, seal: { ...seal, blinding: { ...blinding, secret } } }))
      : [
          ...each(blinding.left, (left) => ({ ...chunk, seal: { ...seal, blinding: { ...blinding, left } } })),
          ...blinding.each.flatMap((own, index) =>
            each(own, (changed) => ({
              ...chunk,
              seal: { ...seal, blinding: { ...blinding, each: blinding.each.with(index, changed) } },
            })),
          ),
        ];
  return [
    ...chunk.entries.flatMap((entry, index) =>
      each(entry, (changed) => ({ ...chunk, entries: chunk.entries.with(index, changed) })),
    ),
    ...each(seal.before, (before) => ({ ...chunk, seal: { ...seal, before } })),
    ...each(seal.link, (link) => ({ ...chunk, seal: { ...seal, link } })),
    ...ofBlinding,
  ];
}

describe('a chain', () => {
  it('holds whatever was rolled, erased, lost, and not kept any more', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
        const rows = played(steps);
        expect(rows.faults()).toEqual([]);
        expect(rows.chain(limit)).toEqual(rows.chain());
      }),
    );
  });

  it('breaks at the chunk of which any one byte was changed, also by somebody who makes its checksum right', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), at, at, (steps, which, where) => {
        const rows = played([{ t: 'roll', count: 3, text: '' }, ...steps]);
        const all = rows.generations.flatMap(({ span, rows }) => rows.map((row) => ({ span, row })));
        const one = all[which % all.length];
        if (one === undefined) throw new Error('something is archived');
        const key = { conversation: room, gen: one.span.gen, first: sequenceId(one.row.first) };
        const chunk = valueOf(decodeChunk(key, one.row.bytes));
        const possible = changes(chunk);
        const change = possible[where % possible.length];
        if (change === undefined) throw new Error('a chunk has bytes');
        one.row.bytes = encodeChunk(change());
        const place = `${String(key.gen)}-${String(key.first)}..${String(lastOf(chunk))} `;
        expect(rows.faults().some((fault) => fault.startsWith(place))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('breaks when a chunk is left out, put twice, or the record of the last one is another', () => {
    const rows = played(
      Array.from({ length: 4 }, (_, index) => ({ t: 'roll', count: 2, text: String(index) }) as const),
    );
    const [stored] = rows.generations;
    if (stored === undefined) throw new Error('something is archived');
    const [kept, span] = [[...stored.rows], stored.span];
    stored.rows.splice(1, 1);
    expect(rows.faults()).toEqual(['1-3..4 no chunk is there any more']);
    stored.rows.splice(0, Infinity, ...kept);
    const last = kept[3];
    if (last === undefined) throw new Error('there are four');
    // The last one left out with all that tells of it, but for the link.
    stored.rows.pop();
    stored.span = { ...span, last: sequenceId(6) };
    expect(rows.faults()).toEqual(['1-5..6 it is not the chunk that was archived last']);
    stored.span = { ...span, link: NO_LINK };
    stored.rows.push(last);
    expect(rows.faults()).toEqual(['1-7..8 it is not the chunk that was archived last']);
  });

  it('leaves nothing of an erased entry by which it could be guessed', () => {
    const rows = played([{ t: 'roll', count: 2, text: 'yes' }]);
    const stored = rows.generations[0]?.rows[0];
    if (stored === undefined) throw new Error('something is archived');
    const key = { conversation: room, gen: generation(1), first: sequenceId(1) };
    const before = valueOf(decodeChunk(key, stored.bytes));
    rows.carryOut({ t: 'erase', at: 0, count: 1 });
    const { seal, erased } = valueOf(decodeChunk(key, stored.bytes));
    expect(erased).toEqual([0]);
    if (seal?.blinding.kind !== 'erased' || before.seal?.blinding.kind !== 'whole') throw new Error('it was erased');
    // Neither the secret nor the salt that followed from it is there.
    const { secret } = before.seal.blinding;
    expect(Buffer.from(stored.bytes).includes(Buffer.from(secret))).toBe(false);
    const [leaf, salt] = seal.blinding.each;
    if (leaf === undefined || salt === undefined) throw new Error('each has its own');
    const guess = utf8('1-1 yes');
    expect(sameBytes(leaf, leafOf(salt, key.gen, 1, guess))).toBe(false);
    expect(sameBytes(leaf, leafOf(new Uint8Array(16), key.gen, 1, guess))).toBe(false);
    // The salt of the one that stays is there: by it that one is checked.
    expect(salt).toHaveLength(16);
    expect(leaf).toHaveLength(32);
  });
});
