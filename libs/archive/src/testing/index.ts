export { damagedBytes } from '../node/testing/damaged-bytes.ts';
export { MemoryArchive, MemoryArchiveDisk } from './memory-archive.ts';
