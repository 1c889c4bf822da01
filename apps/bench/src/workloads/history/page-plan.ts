import type { ConversationId, Random } from '@millrace/kernel';
import type { AskedPage } from './expected-history.ts';

/** Entries of a page at most; one from the archive has 50. */
export const PAGE_MAX = 200;
export const PAGE_ENTRIES = 50;

/** Where a conversation can be read. */
export interface Readable {
  readonly conversation: ConversationId;
  readonly head: number;
  /** The entries up to this one are in the archive alone. */
  readonly archivedTo: number;
}

const below = (random: Random, bound: number): number => random.uint32() % bound;

/** Pages of any size from anywhere in both directions: in the archive, in Redis, and over the seam between. */
export function randomPages(all: readonly Readable[], count: number, random: Random): readonly AskedPage[] {
  return Array.from({ length: count }, (_, index) => {
    const { conversation, head, archivedTo } = pick(all, random);
    // One in four begins within a page of the seam: few would by chance, where conversations are long.
    const near = Math.max(1, Math.min(head, archivedTo - PAGE_MAX + below(random, 2 * PAGE_MAX)));
    const from = index % 4 === 0 ? near : 1 + below(random, head);
    const direction = below(random, 2) === 0 ? 'forward' : 'backward';
    return { conversation, direction, from, limit: 1 + below(random, PAGE_MAX) };
  });
}

/** Pages of 50 that only the archive has, at random places. @throws when it has none. */
export function archivedPages(all: readonly Readable[], count: number, random: Random): readonly AskedPage[] {
  const archived = all.filter(({ archivedTo }) => archivedTo >= PAGE_ENTRIES);
  if (archived.length === 0) throw new Error('no conversation has a page in the archive: give a longer corpus');
  return Array.from({ length: count }, (_, index) => {
    const { conversation, archivedTo } = pick(archived, random);
    const first = 1 + below(random, archivedTo - PAGE_ENTRIES + 1);
    const direction = index % 2 === 0 ? 'forward' : 'backward';
    const from = direction === 'forward' ? first : first + PAGE_ENTRIES - 1;
    return { conversation, direction, from, limit: PAGE_ENTRIES };
  });
}

function pick<T>(all: readonly T[], random: Random): T {
  const one = all[below(random, Math.max(1, all.length))];
  if (one === undefined) throw new Error('there is no conversation to be read');
  return one;
}
