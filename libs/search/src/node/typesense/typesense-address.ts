import { err, ok, type Result } from '@millrace/kernel';
import type { SearchOpenError } from '../../search-errors.ts';
import type { ServerAddress } from './typesense-server.ts';

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** `https://search.example:8108`; a key does not belong into it. */
export function addressOf(url: string): Result<ServerAddress, SearchOpenError> {
  const bad = (message: string): Result<never, SearchOpenError> =>
    err({ code: 'bad_address', message, whatToDo: 'Name each node as http://HOST:PORT or https://HOST:PORT.' });
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return bad(`${JSON.stringify(url.slice(0, 80))} is no address.`);
  }
  const port = PORTS[parsed.protocol];
  if (port === undefined) return bad(`Typesense is not asked over ${JSON.stringify(parsed.protocol)}.`);
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '') {
    return bad(`The address of ${parsed.host} has more than a host, a port and a path.`);
  }
  return ok({
    host: parsed.hostname,
    port: parsed.port === '' ? port : Number(parsed.port),
    protocol: parsed.protocol.slice(0, -1),
    path: parsed.pathname.replace(/\/$/, ''),
  });
}
