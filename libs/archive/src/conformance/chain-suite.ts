import { utf8 } from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ChainedChunk, ChainPage } from '../chain.ts';
import { append, at, chunkFrom, chunkOf, conversationId, room, valueOf } from './a-conversation.ts';
import type { ArchiveUnderTest } from './archive-under-test.ts';

const other = conversationId('other');
const NONE = '0'.repeat(64);
const gone = (gen: number, seq: number) => ({ ...at(gen, seq), tombstones: [utf8('gone')] });

/** The whole chain, page by page. */
export async function chainOf(
  { archive }: Pick<ArchiveUnderTest, 'archive'>,
  conversation = room,
  limit = 1_000,
): Promise<readonly ChainedChunk[]> {
  const all: ChainedChunk[] = [];
  let after: Position | null = null;
  do {
    const page: ChainPage = valueOf(await archive.chain(conversation, after, limit));
    expect(page.chunks.length).toBeLessThanOrEqual(limit);
    all.push(...page.chunks);
    after = page.next;
  } while (after !== null);
  return all;
}

const spans = (chain: readonly ChainedChunk[]): readonly string[] =>
  chain.map(({ gen, first, last }) => `${String(gen)}-${String(first)}..${String(last)}`);
export const faults = (chain: readonly ChainedChunk[]): readonly string[] => {
  const broken = chain.filter(({ fault }) => fault !== null);
  return spans(broken).map((span, index) => `${span} ${broken[index]?.fault ?? ''}`);
};

/** Each follows on the one before it. */
function expectLinked(chain: readonly ChainedChunk[]): void {
  expect(faults(chain)).toEqual([]);
  for (const [index, chunk] of chain.entries()) {
    const before = chain[index - 1];
    if (before?.gen === chunk.gen) expect(chunk.before).toBe(before.link);
    expect(chunk.link).toMatch(/^[0-9a-f]{64}$/);
  }
  expect(new Set(chain.map(({ link }) => link)).size).toBe(chain.length);
}

export function chainSuite(opened: () => ArchiveUnderTest): void {
  const archive = () => opened().archive;
  const chain = (limit?: number) => chainOf(opened(), room, limit);

  describe('a chain', () => {
    it('binds each chunk to the one before it, whatever append it came with, in pages of any size', async () => {
      await append(archive(), chunkFrom(1, 1, 3), chunkFrom(1, 4, 6), chunkFrom(1, 1, 3, other));
      await append(archive(), chunkFrom(1, 7, 9));
      const whole = await chain();
      expect(spans(whole)).toEqual(['1-1..3', '1-4..6', '1-7..9']);
      expect(whole[0]?.before).toBe(NONE);
      expectLinked(whole);
      for (const limit of [1, 2, 3, 4]) expect(await chain(limit)).toEqual(whole);
      // The same entries elsewhere are another chain, and the same ones again change nothing.
      expect((await chainOf(opened(), other))[0]?.link).not.toBe(whole[0]?.link);
      expect(await append(archive(), chunkFrom(1, 4, 6))).toEqual(['already']);
      expect(await chainOf({ archive: await opened().reopen() })).toEqual(whole);
      expect(await chainOf(opened(), conversationId('none'))).toEqual([]);
    });

    it('still holds when entries are erased, once or twice, and says which, with the same links', async () => {
      await append(archive(), chunkFrom(1, 1, 3), chunkFrom(1, 4, 6), chunkFrom(1, 7, 9));
      const before = await chain();
      valueOf(await archive().erase(room, [gone(1, 3), gone(1, 4), gone(1, 6)]));
      valueOf(await archive().erase(room, [gone(1, 4), gone(1, 5)]));
      const after = await chain();
      expectLinked(after);
      expect(after.map(({ link }) => link)).toEqual(before.map(({ link }) => link));
      expect(after.map(({ erased }) => erased)).toEqual([[3], [4, 5, 6], []]);
      // What was erased is no reason for another chain to begin.
      await append(archive(), chunkFrom(1, 10, 12));
      expectLinked(await chain());
    });

    it('begins where the archive begins, when what was before is not kept any more', async () => {
      await append(archive(), chunkFrom(1, 1, 3), chunkFrom(1, 4, 6), chunkFrom(2, 7, 9), chunkFrom(2, 10, 12));
      const whole = await chain();
      valueOf(await archive().trim(room, at(1, 5)));
      expect(await chain()).toEqual(whole.slice(1));
      valueOf(await archive().trim(room, at(2, 8)));
      expect(await chain()).toEqual(whole.slice(2));
      valueOf(await archive().trim(room, at(2, 10)));
      await append(archive(), chunkFrom(2, 13, 14));
      const rest = await chain();
      expect(rest[0]).toEqual(whole[3]);
      expectLinked(rest);
      valueOf(await archive().drop(room));
      await append(archive(), chunkFrom(3, 15, 16));
      expect((await chain())[0]?.before).toBe(NONE);
    });

    it.each([
      ['with one append', true],
      ['with one append for each generation', false],
    ])('goes on in a new generation from where the Timeline stood, %s', async (_how, isOne) => {
      // Seqs 6 to 9 of the first one were lost behind the archive's back, and 5 with them the second time.
      const chunks = [chunkFrom(1, 1, 3), chunkFrom(1, 4, 9), chunkFrom(2, 6, 7), chunkFrom(3, 6, 8)];
      if (isOne) await append(archive(), ...chunks);
      else for (const chunk of chunks) await append(archive(), chunk);
      const whole = await chain();
      expectLinked(whole);
      const [, second, third, fourth] = whole;
      expect(third?.before).not.toBe(NONE);
      expect(third?.before).not.toBe(second?.link);
      expect(fourth?.before).toBe(third?.before);
      for (const limit of [1, 2, 3]) expect(await chain(limit)).toEqual(whole);
      valueOf(await archive().erase(room, [gone(1, 5), gone(1, 9)]));
      expectLinked(await chain());
      // Whole chunks: the next generation goes on behind the last one.
      await append(archive(), chunkFrom(4, 9, 10));
      expect((await chain()).at(-1)?.before).toBe(fourth?.link);
    });

    it('is of the entries, and of nothing that could be guessed of them', async () => {
      await append(archive(), chunkOf(1, 1, ['yes']), chunkOf(1, 1, ['yes'], other));
      const first = (await chain())[0]?.link;
      valueOf(await archive().drop(room));
      await append(archive(), chunkOf(1, 1, ['yes']));
      expect((await chain())[0]?.link).not.toBe(first);
    });

    it('of more chunks than one page may have is the caller to blame for', async () => {
      await expect(archive().chain(room, null, 0)).rejects.toThrow('is none, or too long');
      await expect(archive().chain(room, null, 1_001)).rejects.toThrow('is none, or too long');
    });
  });
}
