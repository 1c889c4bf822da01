import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import type { Args, OptionSpec } from './command.ts';
import type { Environment } from './environment.ts';
import { dataDirOf, readSecret } from './token-source.ts';

export const apiKeyOptions: readonly OptionSpec[] = [
  {
    name: 'key',
    value: 'KEY',
    help:
      'An API key of the server with the scope admin. Others on this machine can read it in the list of processes: ' +
      'MILLRACE_API_KEY hides it better. Default: that, else the key of the development server, in the data directory.',
  },
  { name: 'data-dir', value: 'DIR', help: 'Where the development server keeps its things. Default: .millrace' },
];

const KEY = /^[\x21-\x7e]{1,512}$/;

/** The key that opens the HTTP API: the one that was given, else the development server's. */
export function findApiKey(args: Args, environment: Environment): Result<string, string> {
  const given = args.text('key') ?? environment.apiKey;
  if (given !== undefined) {
    return KEY.test(given) ? ok(given) : err('The API key must be 1 to 512 printable characters without spaces.');
  }
  const path = join(dataDirOf(args, environment), 'dev-api-key');
  if (existsSync(path)) return readSecret(path);
  return err(
    `There is no development key at ${path}: it is made when a server first starts in development mode. ` +
      'Run this where the server runs, or give --data-dir, --key or MILLRACE_API_KEY.',
  );
}
