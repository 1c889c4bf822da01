import { join } from 'node:path';
import type { ServerConfig } from '../server-config.ts';

/** Where conversations are archived, as it is configured. */
export type ArchiveChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'sqlite'; readonly path: string }
  /** The address has a password. */
  | { readonly kind: 'postgres'; readonly url: string };

const SQLITE = /^sqlite(?::(.+))?$/s;
const POSTGRES = /^postgres(ql)?:\/\/./;

/** What `MILLRACE_ARCHIVE` may be, in words. */
export const archiveAllowed = '`none`, `sqlite` or `sqlite:` and a path, or an address that begins with `postgres://`';

export const isArchiveText = (text: string): boolean =>
  text === 'none' || (SQLITE.test(text) && !text.includes('\0')) || POSTGRES.test(text);

/** Whether a deployment is one process for sure: it starts the only Redis that it uses. */
export const isAlone = ({
  mode,
  redisUrl,
  processes,
}: Pick<ServerConfig, 'mode' | 'redisUrl' | 'processes'>): boolean =>
  mode === 'development' && redisUrl === null && processes === 1;

export function archiveChoiceOf(
  config: Pick<ServerConfig, 'archive' | 'dataDir' | 'mode' | 'redisUrl' | 'processes'>,
): ArchiveChoice {
  const text = config.archive ?? (isAlone(config) ? 'sqlite' : 'none');
  const [isSqlite, path] = SQLITE.exec(text) ?? [];
  if (isSqlite !== undefined) return { kind: 'sqlite', path: path ?? join(config.dataDir, 'archive.sqlite') };
  return text === 'none' ? { kind: 'none' } : { kind: 'postgres', url: text };
}
