import { describe, expect, it } from 'vitest';
import { archiveConformance } from '../conformance/archive-conformance.ts';
import { chunkFrom, room, whole } from '../conformance/a-conversation.ts';
import { MemoryArchive, MemoryArchiveDisk } from './memory-archive.ts';

archiveConformance('memory', async () => {
  const disk = new MemoryArchiveDisk();
  const archive = new MemoryArchive(disk);
  return { archive, reopen: async () => new MemoryArchive(disk), close: () => archive.close() };
});

describe('an archive in memory that is down', () => {
  it('answers nothing, keeps what it has, and goes on when it is back', async () => {
    const disk = new MemoryArchiveDisk();
    const archive = new MemoryArchive(disk);
    await archive.append([chunkFrom(1, 1, 3)]);
    disk.isDown = true;
    expect(await archive.append([chunkFrom(1, 4, 5)])).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    disk.isDown = false;
    const page = await archive.read(room, { ...whole, limit: 9, direction: 'forward' });
    expect(page.ok && page.value.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });
});
