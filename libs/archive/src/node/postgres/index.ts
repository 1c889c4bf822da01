export { PostgresArchive, type PostgresArchiveOptions } from './postgres-archive.ts';
export { type PostgresLimits } from './sessions.ts';
