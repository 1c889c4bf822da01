import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Random, type Result } from '@millrace/kernel';
import { parseApiKeys, type ApiKey } from '@millrace/http-api';
import type { ServerConfig } from './server-config.ts';

/** Everything that development mode makes begins so, and production mode refuses it wherever it comes from. */
const DEVELOPMENT_PREFIX = 'millrace-dev-';

/** Under the data directory; `npx millrace token` signs with the first. */
export const developmentFiles = { jwtSecret: 'dev-jwt-secret', apiKey: 'dev-api-key' } as const;

const SECRET_BYTES_MIN = 32;

/** What checks users' tokens, read and ready for the gateway. */
export type TokenKey =
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'publicKey'; readonly pem: string }
  | { readonly kind: 'jwks'; readonly json: string }
  | { readonly kind: 'jwksUrl'; readonly url: string };

export interface Secrets {
  readonly tokenKey: TokenKey;
  readonly apiKeys: readonly ApiKey[];
  /** Where development mode keeps its API key, null when keys are configured. */
  readonly developmentApiKeyFile: string | null;
}

function readText(variable: string, file: string): Result<string, string> {
  try {
    return ok(readFileSync(file, 'utf8').trim());
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return err(`${variable} names ${file}, which cannot be read (${code ?? 'unknown error'})`);
  }
}

/** Reads the secret of an earlier start, or makes one: for this machine's user only. */
function developmentSecret(file: string, random: Random): string {
  try {
    writeFileSync(file, `${DEVELOPMENT_PREFIX}${random.id()}${random.id()}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as { readonly code?: string }).code !== 'EEXIST') throw error;
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  }
  return readFileSync(file, 'utf8').trim();
}

function checkSecret(variable: string, secret: string, isProduction: boolean): Result<TokenKey, string> {
  const bytes = Buffer.byteLength(secret);
  if (bytes < SECRET_BYTES_MIN) {
    return err(`${variable} holds ${String(bytes)} bytes; HS256 needs at least ${String(SECRET_BYTES_MIN)}`);
  }
  if (isProduction && secret.startsWith(DEVELOPMENT_PREFIX)) {
    return err(`${variable} holds a secret that development mode made; production mode needs one of its own`);
  }
  return ok({ kind: 'secret', secret });
}

function tokenKeyOf(config: ServerConfig, random: Random): Result<TokenKey, string> {
  const isProduction = config.mode === 'production';
  const { jwtSecret, jwtSecretFile, jwtPublicKeyFile, jwtJwksFile, jwtJwksUrl } = config;
  if (jwtSecret !== null) return checkSecret('MILLRACE_JWT_SECRET', jwtSecret, isProduction);
  if (jwtSecretFile !== null) {
    const read = readText('MILLRACE_JWT_SECRET_FILE', jwtSecretFile);
    return read.ok ? checkSecret('MILLRACE_JWT_SECRET_FILE', read.value, isProduction) : read;
  }
  if (jwtPublicKeyFile !== null) {
    const read = readText('MILLRACE_JWT_PUBLIC_KEY_FILE', jwtPublicKeyFile);
    return read.ok ? ok({ kind: 'publicKey', pem: read.value }) : read;
  }
  if (jwtJwksFile !== null) {
    const read = readText('MILLRACE_JWT_JWKS_FILE', jwtJwksFile);
    return read.ok ? ok({ kind: 'jwks', json: read.value }) : read;
  }
  if (jwtJwksUrl !== null) return ok({ kind: 'jwksUrl', url: jwtJwksUrl });
  return ok({ kind: 'secret', secret: developmentSecret(join(config.dataDir, developmentFiles.jwtSecret), random) });
}

function apiKeysOf(variable: string, text: string, isProduction: boolean): Result<readonly ApiKey[], string> {
  if (isProduction && text.includes(`:${DEVELOPMENT_PREFIX}`)) {
    return err(`${variable} holds a key that development mode made; production mode needs keys of its own`);
  }
  const keys = parseApiKeys(text);
  if (!keys.ok) return err(`${variable}: ${keys.error}`);
  return keys.value.length > 0 ? keys : err(`${variable} holds no key`);
}

/**
 * Reads the key files; in development mode makes what is not configured, once, so that tokens and keys go on working
 * over restarts.
 */
export function readSecrets(config: ServerConfig, random: Random): Result<Secrets, string> {
  const isProduction = config.mode === 'production';
  if (!isProduction) mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const tokenKey = tokenKeyOf(config, random);
  if (!tokenKey.ok) return tokenKey;
  let developmentApiKeyFile: string | null = null;
  let variable = 'MILLRACE_API_KEYS';
  let text = config.apiKeys;
  if (config.apiKeysFile !== null) {
    variable = 'MILLRACE_API_KEYS_FILE';
    const read = readText(variable, config.apiKeysFile);
    if (!read.ok) return read;
    text = read.value;
  }
  if (text === null) {
    developmentApiKeyFile = join(config.dataDir, developmentFiles.apiKey);
    text = `development:admin:${developmentSecret(developmentApiKeyFile, random)}`;
  }
  const apiKeys = apiKeysOf(variable, text, isProduction);
  return apiKeys.ok ? ok({ tokenKey: tokenKey.value, apiKeys: apiKeys.value, developmentApiKeyFile }) : apiKeys;
}
