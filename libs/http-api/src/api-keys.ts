import { createHash, timingSafeEqual } from 'node:crypto';
import { err, ok, type Result } from '@millrace/kernel';

/**
 * What a key may do. `read`: conversations, members and messages. `write`: create, change and send; it does not include
 * `read`. `metrics`: `/metrics` alone, for a scraper that must not read messages. `admin`: everything, and users' sessions.
 */
export type Scope = 'read' | 'write' | 'metrics' | 'admin';

export const scopes = ['read', 'write', 'metrics', 'admin'] as const satisfies readonly Scope[];

/** One key as it is kept: never the key itself. */
export interface ApiKey {
  /** For logs. 1..64 characters of `A-Z a-z 0-9 . _ -`. */
  readonly name: string;
  /** The key's SHA-256, 32 bytes. */
  readonly sha256: Uint8Array;
  readonly scopes: ReadonlySet<Scope>;
}

/** Shorter ones could be guessed; 24 characters of base64 hold 144 bits. */
export const apiKeyCharsMin = 24;

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const SECRET = new RegExp(`^[\\x21-\\x7e]{${String(apiKeyCharsMin)},512}$`);
const HASHED = /^sha256=([0-9a-f]{64})$/;

const isScope = (text: string): text is Scope => (scopes as readonly string[]).includes(text);
const sha256 = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/**
 * Reads `name:scope+scope:key` lines (or parts between commas), where the key is given plainly or as
 * `sha256=<64 hexadecimal digits>`. Empty lines and those that begin with `#` are skipped.
 *
 * @returns an error text that names the line but shows nothing of the key.
 */
export function parseApiKeys(text: string): Result<readonly ApiKey[], string> {
  const keys: ApiKey[] = [];
  const lines = text.split(/[\n,]/).map((line) => line.trim());
  for (const [index, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const where = `key ${String(index + 1)}`;
    const match = /^([^:]*):([^:]*):(.*)$/.exec(line);
    if (match === null) return err(`${where} must look like name:scope+scope:key`);
    const [, name = '', scopeList = '', secret = ''] = match;
    if (!NAME.test(name)) return err(`${where} needs a name of 1 to 64 of the characters A-Z a-z 0-9 . _ -`);
    if (keys.some((key) => key.name === name)) return err(`${where} has the name ${name} of an earlier one`);
    const named = scopeList.split('+');
    const granted = named.filter(isScope);
    if (granted.length !== named.length)
      return err(`${where} (${name}) has a scope that is none of ${scopes.join(', ')}`);
    const hash = HASHED.exec(secret)?.[1];
    if (hash === undefined && (secret.startsWith('sha256=') || !SECRET.test(secret))) {
      return err(
        `${where} (${name}) must be at least ${String(apiKeyCharsMin)} printable characters, or sha256= and 64 hexadecimal digits`,
      );
    }
    keys.push({
      name,
      sha256: hash === undefined ? sha256(secret) : Buffer.from(hash, 'hex'),
      scopes: new Set(granted),
    });
  }
  return ok(keys);
}

/**
 * Finds the key that was presented. Hashes are compared, each in constant time and always all of them, so that the time
 * tells nothing about any key.
 */
export function findApiKey(keys: readonly ApiKey[], presented: string): ApiKey | null {
  const hash = sha256(presented);
  let found: ApiKey | null = null;
  for (const key of keys) {
    if (timingSafeEqual(hash, key.sha256)) found = key;
  }
  return found;
}

export function allows(key: ApiKey, scope: Scope): boolean {
  return key.scopes.has(scope) || key.scopes.has('admin');
}
