import { utf8 } from '@millrace/kernel';
import { expect, it } from 'vitest';
import type { ArchiveStore, ChunkKey } from '../archive-store.ts';
import { append, at, chunkFrom, chunkOf, conversationId, read, room, span, valueOf, whole } from './a-conversation.ts';
import { chainOf, faults } from './chain-suite.ts';
import type { Damage, DamageableArchive } from './archive-under-test.ts';

const first = chunkFrom(1, 1, 10);
const second = chunkFrom(1, 11, 20);
const third = chunkFrom(1, 21, 30);
const elsewhere = chunkFrom(1, 11, 20, conversationId('other'));

/** What of a page tells that it was refused, and which chunk for. */
async function refusedFor(archive: ArchiveStore, from: number, to: number): Promise<ChunkKey | string> {
  const page = await archive.read(room, { from: at(1, from), to: at(1, to), limit: 100, direction: 'forward' });
  if (page.ok) return `${String(page.value.length)} entries`;
  return page.error.code === 'damaged' ? page.error.chunk : page.error.code;
}

export function damageSuite(opened: () => DamageableArchive): void {
  const archive = () => opened().archive;
  const keyOf = ({ conversation, gen, first }: ChunkKey): ChunkKey => ({ conversation, gen, first });

  it.each<Damage>([
    { kind: 'bit flipped', atByte: 0 },
    { kind: 'bit flipped', atByte: 3 },
    { kind: 'bit flipped', atByte: 20 },
    { kind: 'bit flipped', atByte: -1 },
    { kind: 'cut short' },
    { kind: 'gone' },
    { kind: 'in the place of', other: first },
    { kind: 'in the place of', other: elsewhere },
  ])('refuses every page that needs a chunk that is %j, names it, and reads the others (I8)', async (damage) => {
    await append(archive(), first, second, third, elsewhere);
    // As a copy of `other` that stands where `second` should.
    await opened().damage(second, damage);
    for (const [from, to] of [
      [1, 30],
      [15, 16],
      [10, 11],
      [20, 21],
    ] as const)
      expect(await refusedFor(archive(), from, to)).toEqual(keyOf(second));
    expect(await archive().at(room, at(1, 12))).toMatchObject({ ok: false, error: { code: 'damaged' } });
    const backward = { ...whole, limit: 15, direction: 'backward' } as const;
    expect(await archive().read(room, backward)).toMatchObject({
      ok: false,
      error: { code: 'damaged', retry: 'never', chunk: keyOf(second) },
    });
    expect(await read(archive(), { to: at(1, 10) })).toHaveLength(10);
    expect(await read(archive(), { from: at(1, 21) })).toHaveLength(10);
    expect(valueOf(await archive().extent(room))).toEqual([span(1, 1, 30)]);
  });

  it('does not take an append for a repeat of a chunk that it cannot read', async () => {
    await append(archive(), first, second);
    await opened().damage(second, { kind: 'bit flipped', atByte: 20 });
    const outcomes = valueOf(await archive().append([first, second, third]));
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.error.code))).toEqual([
      'already',
      'damaged',
      'stored',
    ]);
  });

  it('erases nothing at all when one of the chunks is damaged', async () => {
    await append(archive(), first, second);
    await opened().damage(second, { kind: 'bit flipped', atByte: 20 });
    const tombstones = Array.from({ length: 4 }, () => utf8('x'));
    const outcome = await archive().erase(room, [{ ...at(1, 9), tombstones }]);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'damaged', chunk: { first: 11 } } });
    expect(await read(archive(), { from: at(1, 9), to: at(1, 10) })).toEqual(['1-9 1-9', '1-10 1-10']);
  });

  it('keeps nothing of an erased entry in what it stores', async () => {
    const secret = 'a word that nobody must find again';
    await append(archive(), chunkOf(1, 1, [secret]), chunkOf(1, 2, ['other text, which stays where it is']));
    const holds = async (text: string): Promise<boolean> =>
      Buffer.from(await opened().storedBytes()).includes(Buffer.from(text));
    // Short and without repetition, so that it is not compressed: the look must be able to find it.
    expect(await holds(secret)).toBe(true);
    valueOf(await archive().erase(room, [{ ...at(1, 1), tombstones: [utf8('gone')] }]));
    expect(await holds(secret)).toBe(false);
    expect(await holds('other text, which stays')).toBe(true);
    expect(await read(archive())).toEqual(['1-1 gone', '1-2 other text, which stays where it is']);
  });

  it.each<readonly [damage: Damage, chunk: ChunkKey, told: readonly (string | RegExp)[]]>([
    [{ kind: 'bit flipped', atByte: 40 }, second, [/^1-11\.\.20 .*checksum/]],
    [{ kind: 'cut short' }, third, [/^1-21\.\.30 .*checksum/]],
    [{ kind: 'gone' }, second, [/^1-11\.\.20 no chunk is there/]],
    [{ kind: 'gone' }, first, [/^1-1\.\.10 no chunk is there/]],
    [{ kind: 'gone' }, third, [/^1-21\.\.30 no chunk is there/]],
    [{ kind: 'rewritten', entry: 4 }, second, [/^1-11\.\.20 its entries are not/]],
    [{ kind: 'rewritten', entry: 9 }, third, [/^1-21\.\.30 its entries are not/]],
    // Made without a seal, from entries of its own.
    [
      { kind: 'in the place of', other: second },
      second,
      [/^1-11\.\.20 it is bound to nothing/, /^1-21\.\.30 it does not follow/],
    ],
    [{ kind: 'in the place of', other: third }, third, [/^1-21\.\.30 it is bound to nothing/]],
  ])('a chain says where it breaks when a chunk is %j', async (damage, chunk, told) => {
    await append(archive(), first, second, third, elsewhere);
    expect(faults(await chainOf(opened()))).toEqual([]);
    await opened().damage(keyOf(chunk), damage);
    for (const limit of [1, 2, 10]) {
      const found = faults(await chainOf(opened(), room, limit));
      expect(found).toHaveLength(told.length);
      for (const [index, text] of told.entries()) expect(found[index]).toMatch(text);
    }
    expect(faults(await chainOf(opened(), elsewhere.conversation))).toEqual([]);
  });

  it('a chain still says so behind an erasure, and when what stands in the place of an erased entry was changed', async () => {
    await append(archive(), first, second, third);
    valueOf(await archive().erase(room, [{ ...at(1, 15), tombstones: [utf8('gone')] }]));
    expect(faults(await chainOf(opened()))).toEqual([]);
    await opened().damage(keyOf(second), { kind: 'rewritten', entry: 4 });
    expect(faults(await chainOf(opened()))).toEqual([expect.stringMatching(/^1-11\.\.20 what stands in the place of/)]);
    await opened().damage(keyOf(second), { kind: 'rewritten', entry: 5 });
    expect(faults(await chainOf(opened()))).toEqual([expect.stringMatching(/^1-11\.\.20 its entries are not/)]);
    // An erasure of what was changed does not mend it.
    valueOf(await archive().erase(room, [{ ...at(1, 16), tombstones: [utf8('gone')] }]));
    expect(faults(await chainOf(opened()))).toEqual([expect.stringMatching(/^1-11\.\.20 its entries are not/)]);
  });
}
