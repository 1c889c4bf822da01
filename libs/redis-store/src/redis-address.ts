import { err, ok, type Result } from '@millrace/kernel';
import { Redis, type RedisOptions } from 'ioredis';

/** A master that is found by asking Sentinels, whichever Redis it is by then. */
export interface SentinelAddress {
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** What the Sentinels call it. */
  readonly name: string;
  readonly username: string | null;
  readonly password: string | null;
  /** Of the Sentinels themselves; they have others than the Redis, or none. */
  readonly sentinelUsername: string | null;
  readonly sentinelPassword: string | null;
  /** To the Redis and to the Sentinels. */
  readonly tls: boolean;
}

const SENTINEL_PORT = 26_379;
const SENTINEL_ANSWER_MS_MAX = 1_000;
const SCHEME = /^rediss?\+sentinel:\/\//;
const FORM = /^(rediss?)\+sentinel:\/\/(?:([^:@/?]*)(?::([^@/?]*))?@)?([^@/?]+)\/([\w.-]+)(?:\?([^#]*))?$/;
const HOST = /^(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/;
const CREDENTIALS = ['sentinel-username', 'sentinel-password'];

const isSentinelUrl = (url: string): boolean => SCHEME.test(url);

function parseHost(text: string): SentinelAddress['sentinels'][number] | null {
  const [, host = '', port] = HOST.exec(text) ?? [];
  const number = Number(port ?? SENTINEL_PORT);
  if (host === '' || number < 1 || number > 65_535) return null;
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: number };
}

/**
 * Reads `redis+sentinel://[user:password@]host[:port],…/name[?sentinel-username=…&sentinel-password=…]`, or the same with
 * `rediss+sentinel` for TLS. User names and passwords are percent-encoded as in any address.
 *
 * @returns an error that names no part of the address, which may hold a password.
 */
export function parseSentinelUrl(url: string): Result<SentinelAddress, string> {
  const form = FORM.exec(url);
  if (form === null) return err('it must be like redis+sentinel://host:26379,host:26379/name');
  const [, scheme, username, password, hosts = '', name = '', query = ''] = form;
  const sentinels = hosts.split(',').map(parseHost);
  const known = sentinels.filter((host) => host !== null);
  if (known.length < sentinels.length) return err('each Sentinel must be a host, or a host and a port from 1 to 65535');
  const more = new URLSearchParams(query);
  if ([...more.keys()].some((key) => !CREDENTIALS.includes(key))) {
    return err(`behind the question mark there may be ${CREDENTIALS.join(' and ')} alone`);
  }
  const decoded = (text: string | undefined): string | null =>
    text === undefined || text === '' ? null : decodeURIComponent(text);
  try {
    return ok({
      sentinels: known,
      name,
      username: decoded(username),
      password: decoded(password),
      sentinelUsername: more.get('sentinel-username'),
      sentinelPassword: more.get('sentinel-password'),
      tls: scheme === 'rediss',
    });
  } catch {
    return err('its user name or password is not percent-encoded as it should be');
  }
}

/** Whether it is an address that {@link openRedis} takes. */
export function isRedisUrl(url: string): boolean {
  if (isSentinelUrl(url)) return parseSentinelUrl(url).ok;
  return URL.canParse(url) && ['redis:', 'rediss:', 'unix:'].includes(new URL(url).protocol);
}

/** An address without the user name and the passwords that it may hold. */
export function withoutPassword(url: string): string {
  if (isSentinelUrl(url)) {
    const parsed = parseSentinelUrl(url);
    if (!parsed.ok) return 'an address that cannot be shown';
    const { sentinels, name, password, tls } = parsed.value;
    const hosts = sentinels.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${String(port)}`);
    return `redis${tls ? 's' : ''}+sentinel://${password === null ? '' : '***:***@'}${hosts.join(',')}/${name}`;
  }
  if (!URL.canParse(url)) return 'an address that cannot be shown';
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  if (parsed.username !== '') parsed.username = '***';
  return parsed.toString();
}

/** ioredis takes a plain path for a unix socket. */
export const clientUrl = (url: string): string => url.replace(/^unix:(\/\/)?/, '');

export const usesSentinels = isSentinelUrl;

/**
 * A client of one Redis, or of the one that the Sentinels name. Then each attempt to connect asks them again, and one that
 * is no master is left at once. Whoever calls `disconnect(true)` while they are asked ends the client: see `Connection`.
 *
 * @param options - `retryStrategy` decides about Sentinels, too, when none of them answers.
 * @throws TypeError for an address that {@link isRedisUrl} refuses.
 */
export function openRedis(url: string, options: Omit<RedisOptions, 'replyMapping'>): Redis {
  if (!isSentinelUrl(url)) return new Redis(clientUrl(url), options);
  const address = parseSentinelUrl(url);
  if (!address.ok) throw new TypeError(`this address of Sentinels cannot be used: ${address.error}`);
  const { sentinels, name, username, password, sentinelUsername, sentinelPassword, tls } = address.value;
  const retry = options.retryStrategy;
  return new Redis({
    ...options,
    sentinels: [...sentinels],
    name,
    role: 'master',
    sentinelCommandTimeout: SENTINEL_ANSWER_MS_MAX,
    sentinelRetryStrategy: typeof retry === 'function' ? retry : () => null,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(sentinelUsername === null ? {} : { sentinelUsername }),
    ...(sentinelPassword === null ? {} : { sentinelPassword }),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  });
}
