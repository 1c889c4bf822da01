import {
  err,
  ok,
  parseDeviceId,
  parseUserId,
  type Clock,
  type DeviceId,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { createSecretKey, type KeyObject } from 'node:crypto';
import { errors, jwtVerify, type JWTClaimVerificationOptions, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { GatewayLog } from '../log.ts';
import { algorithmsOf, type AuthConfig } from './auth-config.ts';
import { checkBySecret } from './check-by-secret.ts';
import { keySourceOf, type KeySource } from './key-source.ts';

/** What a token that was checked says. */
export interface VerifiedToken {
  readonly user: UserId;
  /** The only device that may use it, null when any may. */
  readonly device: DeviceId | null;
  /** When it ends, milliseconds since 1970, tolerance included. */
  readonly expiresAtMs: number;
}

export interface TokenVerifier {
  /** Never rejects. An error is `unauthenticated`, `token_expired` or `unavailable`, and tells nothing of the token. */
  verify(token: string): Promise<Result<VerifiedToken, FrameError>>;
}

const unauthenticated = (message: string): Result<never, FrameError> => err(frameError('unauthenticated', message));

function refusalOf(error: unknown): FrameError {
  if (error instanceof errors.JWTExpired) return frameError('token_expired', 'the token has expired; get a new one');
  const say = (message: string): FrameError => frameError('unauthenticated', message);
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    return say(
      reason === 'missing' ? `the token has no claim ${claim}` : `the claim ${claim} of the token is not accepted`,
    );
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return say('the signature of the token is not valid');
  if (error instanceof errors.JOSEAlgNotAllowed) return say('the algorithm of the token is not accepted');
  if (error instanceof errors.JWKSNoMatchingKey) return say('the key that signed the token is not known');
  return say('the token is not a JWT that can be checked');
}

const claimsWanted = (
  { audience, issuer, clockToleranceS }: AuthConfig,
  clock: Pick<Clock, 'nowMs'>,
): JWTClaimVerificationOptions => ({
  audience,
  ...(issuer === null ? {} : { issuer }),
  clockTolerance: clockToleranceS,
  requiredClaims: ['exp', 'sub'],
  currentDate: new Date(clock.nowMs()),
});

/** What claims say that were checked. */
function accepted(payload: JWTPayload, { clockToleranceS }: AuthConfig): Result<VerifiedToken, FrameError> {
  const user = parseUserId(payload.sub);
  if (!user.ok) return unauthenticated('the claim sub of the token is not a user id');
  const pinned = payload['device'];
  const device = pinned === undefined ? ok(null) : parseDeviceId(pinned);
  if (!device.ok) return unauthenticated('the claim device of the token is not a device id');
  return ok({ user: user.value, device: device.value, expiresAtMs: ((payload.exp ?? 0) + clockToleranceS) * 1_000 });
}

/** Checks users' tokens as {@link AuthConfig} says: signature, algorithm, audience, issuer, and an expiry that must be there. */
export class JwtVerifier implements TokenVerifier {
  readonly #config: AuthConfig;
  readonly #keys: KeySource;
  readonly #clock: Clock;

  constructor(config: AuthConfig, keys: KeySource, clock: Clock) {
    this.#config = config;
    this.#keys = keys;
    this.#clock = clock;
  }

  async verify(token: string): Promise<Result<VerifiedToken, FrameError>> {
    const keys = await this.#keys.keys();
    if (keys === null) {
      return err(frameError('unavailable', 'tokens cannot be checked at the moment; try again'));
    }
    try {
      return accepted(await this.#check(token, keys), this.#config);
    } catch (error) {
      return err(refusalOf(error));
    }
  }

  async #check(token: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    try {
      return await this.#checkWith(token, keys);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await this.#keys.newerKeys();
      if (newer === null) throw error;
      return await this.#checkWith(token, newer);
    }
  }

  async #checkWith(token: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    const algorithms = [...algorithmsOf(this.#config)];
    return (await jwtVerify(token, keys, { algorithms, ...claimsWanted(this.#config, this.#clock) })).payload;
  }
}

/** The same by a secret, which never changes. */
class SecretVerifier implements TokenVerifier {
  readonly #config: AuthConfig;
  readonly #secret: KeyObject;
  readonly #clock: Clock;

  constructor(config: AuthConfig, secret: string, clock: Clock) {
    this.#config = config;
    this.#secret = createSecretKey(secret, 'utf8');
    this.#clock = clock;
  }

  verify(token: string): Promise<Result<VerifiedToken, FrameError>> {
    try {
      const payload = checkBySecret(this.#secret, token, claimsWanted(this.#config, this.#clock));
      return Promise.resolve(accepted(payload, this.#config));
    } catch (error) {
      return Promise.resolve(err(refusalOf(error)));
    }
  }
}

/** @returns why the configuration cannot be used, in a sentence without secrets. */
export function createTokenVerifier(
  config: AuthConfig,
  parts: { readonly clock: Clock; readonly timers: Timers; readonly log: GatewayLog },
): Result<TokenVerifier, string> {
  if (config.key.kind === 'secret') return ok(new SecretVerifier(config, config.key.secret, parts.clock));
  const keys = keySourceOf(config, config.key, parts);
  return keys.ok ? ok(new JwtVerifier(config, keys.value, parts.clock)) : keys;
}
