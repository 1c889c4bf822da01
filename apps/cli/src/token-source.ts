import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, systemClock, type Result, type UserId } from '@millrace/kernel';
import { signToken } from '@millrace/raw-client';
import type { Args, OptionSpec } from './command.ts';
import type { Environment } from './environment.ts';

/** How long a token of ours is good for, seconds, unless asked otherwise. */
export const TOKEN_SECONDS = 24 * 3600;
const COMMAND_MS_MAX = 30_000;

/** Gets a token for a user; a text for people when it cannot. */
export type TokenSource = (user: UserId) => Promise<Result<string, string>>;

export const tokenOptions: readonly OptionSpec[] = [
  {
    name: 'token-secret-file',
    value: 'FILE',
    help: 'Signs tokens with the secret in FILE (HS256). Default: the secret of the development server, in the data directory.',
  },
  {
    name: 'token-command',
    value: 'COMMAND',
    help: 'Runs COMMAND with the user id as its last argument and takes the token that it prints.',
  },
  { name: 'data-dir', value: 'DIR', help: 'Where the development server keeps its things. Default: .millrace' },
];

export const dataDirOf = (args: Args, environment: Environment): string => args.text('data-dir') ?? environment.dataDir;

export function readSecret(path: string): Result<string, string> {
  try {
    const secret = readFileSync(path, 'utf8').trim();
    return secret === '' ? err(`The secret in ${path} is empty.`) : ok(secret);
  } catch (error) {
    return err(`The secret ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The secret that signs tokens here: the one that was named, else the development server's. */
export function findSecret(args: Args, environment: Environment): Result<string, string> {
  const named = args.text('token-secret-file');
  if (named !== undefined) return readSecret(named);
  const path = join(dataDirOf(args, environment), 'dev-jwt-secret');
  if (existsSync(path)) return readSecret(path);
  return err(
    `There is no development secret at ${path}: it is made when a server first starts in development mode. ` +
      'Run this where the server runs, or give --data-dir, --token-secret-file or --token-command.',
  );
}

function runTokenCommand(command: string, user: UserId): Promise<Result<string, string>> {
  return new Promise((resolve) => {
    // The shell splits the command as the user wrote it; the id is passed as an argument, never as a part of it.
    execFile('/bin/sh', ['-c', `${command} "$1"`, 'sh', user], { timeout: COMMAND_MS_MAX }, (error, stdout, stderr) => {
      const token = stdout.trim();
      if (error !== null) resolve(err(`The token command failed for ${user}: ${stderr.trim() || error.message}`));
      else resolve(token === '' ? err(`The token command printed nothing for ${user}.`) : ok(token));
    });
  });
}

/** Where the users' tokens of this command come from, kept for as long as each is good. */
export function tokenSourceOf(args: Args, environment: Environment): Result<TokenSource, string> {
  const command = args.text('token-command');
  if (command !== undefined) return ok((user) => runTokenCommand(command, user));
  const secret = findSecret(args, environment);
  if (!secret.ok) return secret;
  return ok((user) => {
    const issuedAtSeconds = Math.floor(systemClock.nowMs() / 1000);
    return Promise.resolve(ok(signToken(secret.value, { user, issuedAtSeconds, seconds: TOKEN_SECONDS })));
  });
}
