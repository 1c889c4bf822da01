import { describe, expect, it } from 'vitest';
import { apply, found, put } from '../conformance/messages.ts';
import { searchConformance } from '../conformance/search-conformance.ts';
import { MemorySearch, MemorySearchDisk } from './memory-search.ts';

searchConformance(
  'memory',
  async () => {
    const disk = new MemorySearchDisk();
    const index = new MemorySearch(disk);
    return { index, reopen: async () => new MemorySearch(disk), close: () => index.close() };
  },
  5,
);

describe('a search index in memory that is down', () => {
  it('answers nothing, keeps what it has, and goes on when it is back', async () => {
    const disk = new MemorySearchDisk();
    const index = new MemorySearch(disk);
    await apply(index, [put(1, 'kettle')]);
    disk.isDown = true;
    expect(await index.stats()).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    disk.isDown = false;
    expect(await found(index, 'kettle')).toEqual(['1']);
  });
});
