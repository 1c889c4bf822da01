import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import type { Args, OptionSpec } from '../command.ts';
import type { Environment } from '../environment.ts';
import { dataDirOf } from '../token-source.ts';

/** Where a deployment keeps what must be saved. */
export interface Stores {
  /** Null: the private Redis of a development server. */
  readonly redisUrl: string | null;
  readonly redisPrefix: string;
  /** Where this machine sees the files of Redis; null: where Redis says that they are. */
  readonly redisDir: string | null;
  /** The file of an embedded archive; null for none. */
  readonly archive: string | null;
  /** An archive in PostgreSQL, which is copied by its own means. */
  readonly isPostgres: boolean;
}

const SQLITE = /^sqlite(?::(.+))?$/s;

/** As they are named, else as the servers of this environment have them. */
export function storesOf(args: Args, environment: Environment): Result<Stores, string> {
  const dataDir = dataDirOf(args, environment);
  const redisUrl = args.text('redis-url') ?? environment.redisUrl ?? null;
  const dir = args.text('redis-dir');
  const own = join(dataDir, 'archive.sqlite');
  const text = args.text('archive') ?? environment.archive ?? (redisUrl === null ? 'sqlite' : undefined);
  if (text === undefined)
    return err('Name the archive with --archive or MILLRACE_ARCHIVE, as the servers have it; `none` if there is none.');
  const [isSqlite, path] = SQLITE.exec(text) ?? [];
  const isPostgres = /^postgres(ql)?:\/\//.test(text);
  if (isSqlite === undefined && !isPostgres && text !== 'none')
    return err('--archive must be none, sqlite, sqlite:FILE or an address that begins with postgres://.');
  return ok({
    redisUrl,
    redisPrefix: environment.redisPrefix,
    redisDir: dir === undefined ? (redisUrl === null ? resolve(dataDir, 'redis') : null) : resolve(dir),
    archive: isSqlite === undefined ? null : resolve(path ?? own),
    isPostgres,
  });
}

/** The running private Redis below its directory; null when none is there. */
export function privateUrl(redisDir: string): string | null {
  const socket = join(redisDir, 'redis.sock');
  return existsSync(socket) ? `unix://${socket}` : null;
}

export const storeOptions: readonly OptionSpec[] = [
  {
    name: 'redis-url',
    value: 'URL',
    help: 'The Redis of the deployment. Default: REDIS_URL, else the private one of the data directory.',
  },
  {
    name: 'redis-dir',
    value: 'DIR',
    help: 'Where this machine sees the directory that Redis keeps its files in. Default: where Redis says that it is.',
  },
  {
    name: 'archive',
    value: 'ARCHIVE',
    help: 'As MILLRACE_ARCHIVE, which is the default: none, sqlite, sqlite:FILE or postgres://…',
  },
  { name: 'data-dir', value: 'DIR', help: 'Where a development server keeps its things. Default: .millrace' },
];

export const POSTGRES_HINT =
  'The archive is in PostgreSQL: copy it now, behind Redis and not before, and within six hours, with\n' +
  '  pg_dump --format=custom --schema=millrace_archive --file=DIR/archive.pgdump URL';
