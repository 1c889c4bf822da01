import {
  authConfigSchema,
  createTokenVerifier,
  gatewayConfigSchema,
  pickEngine,
  type GatewayConfig,
  type SocketEngine,
  type TokenVerifier,
} from '@millrace/gateway';
import { err, ok, type Clock, type Result, type Timers } from '@millrace/kernel';
import type { ServerLog } from './logging.ts';
import type { Secrets, TokenKey } from './secrets.ts';
import type { ServerConfig } from './server-config.ts';

/** What the sockets need before anything else is started, so that a bad key or engine stops the start at once. */
export interface SocketParts {
  readonly engine: SocketEngine;
  readonly verifier: TokenVerifier;
  readonly config: GatewayConfig;
}

const CONNECT_BURST = 10;
const FRAME_BURST = 2;

/** Which variable a bad key came from, for the error. */
const keyVariable = {
  secret: 'MILLRACE_JWT_SECRET',
  publicKey: 'MILLRACE_JWT_PUBLIC_KEY_FILE',
  jwks: 'MILLRACE_JWT_JWKS_FILE',
  jwksUrl: 'MILLRACE_JWT_JWKS_URL',
} as const satisfies Record<TokenKey['kind'], string>;

function verifierOf(
  config: ServerConfig,
  { tokenKey }: Secrets,
  parts: { readonly clock: Clock; readonly timers: Timers; readonly log: ServerLog },
): Result<TokenVerifier, string> {
  const auth = authConfigSchema.safeParse({
    key: tokenKey,
    ...(config.jwtAlgorithms.length > 0 ? { algorithms: config.jwtAlgorithms } : {}),
    audience: config.jwtAudience,
    issuer: config.jwtIssuer,
  });
  if (!auth.success) return err(auth.error.issues.map(({ message }) => message).join('; '));
  const verifier = createTokenVerifier(auth.data, parts);
  return verifier.ok ? verifier : err(`${keyVariable[tokenKey.kind]}: ${verifier.error}`);
}

function gatewayConfigOf(config: ServerConfig, portShared: boolean): GatewayConfig {
  // In development mode a page from anywhere on this machine may try it; it still needs a token.
  const anyOrigin = config.mode === 'development' && config.origins.length === 0;
  const frames = (perSecond: number) => ({ perSecond, burst: perSecond * FRAME_BURST });
  return gatewayConfigSchema.parse({
    host: config.host,
    port: config.socketPort,
    portShared,
    origins: anyOrigin ? ['*'] : [...config.origins],
    trustedProxies: [...config.trustedProxies],
    // A proxy passes on the path of its own address.
    path: config.socketUrl === null ? '/' : '*',
    sendBufferBytesMax: config.sendBufferBytesMax,
    idleMs: config.idleMs,
    socketsMax: config.socketsMax,
    socketsPerIpMax: config.socketsPerIpMax,
    sessionsPerUserMax: config.sessionsPerUserMax,
    connectsPerIp: { perSecond: config.connectsPerSecond, burst: config.connectsPerSecond * CONNECT_BURST },
    framesPerSession: frames(config.framesPerSecond),
    framesPerUser: frames(config.framesPerSecond * FRAME_BURST),
  });
}

/** @returns a sentence that names the variable when the engine or the key cannot be used. */
export function prepareSockets(
  config: ServerConfig,
  secrets: Secrets,
  parts: { readonly clock: Clock; readonly timers: Timers; readonly log: ServerLog; readonly portShared: boolean },
): Result<SocketParts, string> {
  const verifier = verifierOf(config, secrets, parts);
  if (!verifier.ok) return verifier;
  const engine = pickEngine(config.socketEngine, parts.timers, parts.log);
  if (!engine.ok) return err(`MILLRACE_SOCKET_ENGINE is ${config.socketEngine}, but ${engine.error}`);
  return ok({ engine: engine.value, verifier: verifier.value, config: gatewayConfigOf(config, parts.portShared) });
}
