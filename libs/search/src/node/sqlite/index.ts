export type { FileThreadLimits } from '@millrace/sqlite-file';
export { SqliteSearch, type SqliteSearchOptions } from './sqlite-search.ts';
