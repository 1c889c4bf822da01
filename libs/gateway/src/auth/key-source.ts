import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { err, ok, type Clock, type Result, type Timers } from '@millrace/kernel';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { GatewayLog } from '../log.ts';
import { algorithmsOf, type AuthConfig } from './auth-config.ts';
import { fetchJwks } from './fetch-jwks.ts';

const KEYS_MAX = 100;

/** Where the keys come from that signatures are checked with. */
export interface KeySource {
  /** Null while there are none: the address that has them could not be reached yet. */
  keys(): Promise<JWTVerifyGetKey | null>;
  /**
   * Other keys than those of the last call, for a token that names one which is not among them; null when there are
   * none, or when it was asked too short a time ago.
   */
  newerKeys(): Promise<JWTVerifyGetKey | null>;
}

const fixed = (getKey: JWTVerifyGetKey): KeySource => ({
  keys: () => Promise.resolve(getKey),
  newerKeys: () => Promise.resolve(null),
});

function parseJwks(json: string): Result<JWTVerifyGetKey, string> {
  try {
    const document = JSON.parse(json) as JSONWebKeySet;
    const getKey = createLocalJWKSet(document);
    if (document.keys.length > KEYS_MAX) return err(`it holds more than ${String(KEYS_MAX)} keys`);
    return document.keys.length === 0 ? err('it holds no key') : ok(getKey);
  } catch {
    return err('it is no JSON Web Key Set');
  }
}

function publicKeyOf(pem: string): Result<KeyObject, string> {
  if (pem.includes('PRIVATE KEY'))
    return err('it holds a private key, which does not belong on a server that only checks');
  try {
    return ok(pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem));
  } catch {
    return err('it is no public key in PEM form');
  }
}

function fromPem(pem: string, config: AuthConfig): Result<KeySource, string> {
  const key = publicKeyOf(pem);
  if (!key.ok) return err(`the public key cannot be used: ${key.error}`);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key.value;
  const isP256 = type === 'ec' && details?.namedCurve === 'prime256v1';
  const algorithm = type === 'rsa' ? 'RS256' : isP256 ? 'ES256' : null;
  if (algorithm === null) return err('the public key must be an RSA key or an EC key on the curve P-256');
  if (!algorithmsOf(config).includes(algorithm)) {
    return err(`the public key is for ${algorithm}, which is not among the algorithms that are taken`);
  }
  return ok(
    fixed(({ alg }) => {
      // A token signed by the other algorithm cannot have been signed for this key.
      if (alg !== algorithm) throw new TypeError(`the key is for ${algorithm}`);
      return key.value;
    }),
  );
}

interface RemoteParts {
  readonly clock: Clock;
  readonly log: GatewayLog;
  readonly fetch: () => Promise<Result<string, string>>;
}

/**
 * Keys at an address, one document of them. Fetched when first needed, when they have grown old, and when a token names
 * an unknown one; never more often than the cool-down allows, whoever asks. Old keys stay in use while the address does
 * not answer.
 */
export class RemoteKeys implements KeySource {
  readonly #config: Pick<AuthConfig, 'jwksMaxAgeMs' | 'jwksCooldownMs'>;
  readonly #parts: RemoteParts;
  #getKey: JWTVerifyGetKey | null = null;
  #json = '';
  #fetchedAtMs = -Infinity;
  #askedAtMs = -Infinity;
  #asking: Promise<boolean> | null = null;

  constructor(config: Pick<AuthConfig, 'jwksMaxAgeMs' | 'jwksCooldownMs'>, parts: RemoteParts) {
    this.#config = config;
    this.#parts = parts;
  }

  async keys(): Promise<JWTVerifyGetKey | null> {
    const age = this.#parts.clock.monotonicMs() - this.#fetchedAtMs;
    if (age > this.#config.jwksMaxAgeMs) await this.#refresh();
    return this.#getKey;
  }

  async newerKeys(): Promise<JWTVerifyGetKey | null> {
    return (await this.#refresh()) ? this.#getKey : null;
  }

  /** @returns whether the keys are others now. Those who ask meanwhile wait for the same answer. */
  #refresh(): Promise<boolean> {
    if (this.#asking !== null) return this.#asking;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#askedAtMs < this.#config.jwksCooldownMs) return Promise.resolve(false);
    this.#askedAtMs = nowMs;
    this.#asking = this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(): Promise<boolean> {
    const { fetch, log, clock } = this.#parts;
    const text = await fetch();
    const keys = text.ok ? parseJwks(text.value) : text;
    if (!text.ok || !keys.ok) {
      log.warn('the keys of the token issuer could not be fetched', {
        why: keys.ok ? '' : keys.error,
        keptOld: this.#getKey !== null,
      });
      return false;
    }
    this.#fetchedAtMs = clock.monotonicMs();
    if (text.value === this.#json) return false;
    this.#json = text.value;
    this.#getKey = keys.value;
    return true;
  }
}

/** @returns why the configured key cannot be used. Nothing of a key is in it. */
export function keySourceOf(
  config: AuthConfig,
  key: Exclude<AuthConfig['key'], { readonly kind: 'secret' }>,
  parts: { readonly clock: Clock; readonly timers: Timers; readonly log: GatewayLog },
): Result<KeySource, string> {
  switch (key.kind) {
    case 'publicKey':
      return fromPem(key.pem, config);
    case 'jwks': {
      const keys = parseJwks(key.json);
      return keys.ok ? ok(fixed(keys.value)) : err(`the key set cannot be used: ${keys.error}`);
    }
    case 'jwksUrl':
      return ok(
        new RemoteKeys(config, { ...parts, fetch: () => fetchJwks(key.url, config.jwksTimeoutMs, parts.timers) }),
      );
  }
}
