import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { err, ok, type Result } from '@millrace/kernel';
import type { ArchiveOpenError } from '../../archive-errors.ts';

/** Where a PostgreSQL is, and as whom. The only place that a password comes from is the URL. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly ssl: boolean | ConnectionOptions;
  /** For people: without the password. */
  readonly shown: string;
}

const PORT = 5_432;

function badAddress(reason: string): ArchiveOpenError {
  return {
    code: 'bad_address',
    // Never the address itself: it has the password.
    message: `The address of the archive's PostgreSQL is not one: ${reason}.`,
    whatToDo: 'Write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with what is special in a password %-encoded.',
  };
}

function sslOf(parameters: URLSearchParams): Result<boolean | ConnectionOptions, ArchiveOpenError> {
  const certificates = parameters.get('sslrootcert');
  switch (parameters.get('sslmode')) {
    case null:
    case 'disable':
      return ok(false);
    case 'no-verify':
      return ok({ rejectUnauthorized: false });
    case 'require':
    case 'verify-full':
      if (certificates === null) return ok(true);
      try {
        return ok({ ca: readFileSync(certificates, 'utf8') });
      } catch {
        return err(badAddress(`sslrootcert names ${certificates}, which cannot be read`));
      }
    default:
      return err(badAddress('sslmode is one of disable, no-verify, require and verify-full'));
  }
}

const decode = (text: string): string | null => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};

export function postgresAddress(text: string): Result<PostgresAddress, ArchiveOpenError> {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return err(badAddress('it cannot be read as a URL'));
  }
  if (!['postgres:', 'postgresql:'].includes(url.protocol)) return err(badAddress('it begins with postgres://'));
  const user = decode(url.username);
  const password = decode(url.password);
  const database = decode(url.pathname.slice(1));
  if (user === null || password === null || database === null) return err(badAddress('a % in it encodes nothing'));
  // A folder stands for the socket in it.
  const host = url.searchParams.get('host') ?? url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '') return err(badAddress('it names no host'));
  if (user === '') return err(badAddress('it names no user'));
  if (database === '' || database.includes('/')) return err(badAddress('it names no database'));
  const known = ['host', 'sslmode', 'sslrootcert'];
  const unknown = [...url.searchParams.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) return err(badAddress(`its parameter ${unknown} is none of ${known.join(', ')}`));
  const ssl = sslOf(url.searchParams);
  if (!ssl.ok) return ssl;
  const port = url.port === '' ? PORT : Number(url.port);
  const shown = `postgres://${user}@${host}:${String(port)}/${database}`;
  return ok({ host, port, database, user, password, ssl: ssl.value, shown });
}
