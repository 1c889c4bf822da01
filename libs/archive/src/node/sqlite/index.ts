export { SqliteArchive, type SqliteArchiveOptions } from './sqlite-archive.ts';
export type { FileThreadLimits } from '@millrace/sqlite-file';
