export { describeLocalPostgresError, type LocalPostgresError } from './errors.ts';
export { findPostgres, type PostgresBinaries } from './find-postgres.ts';
export { installPostgres } from './install-postgres.ts';
export { startPostgres, type LocalPostgres, type StartPostgresOptions } from './local-postgres.ts';
