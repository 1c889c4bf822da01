import type { RedisEndpoint } from './resp.ts';

export interface RedisConfig {
  readonly dir: string;
  readonly endpoint: RedisEndpoint;
  /** `everysec` may lose the last second at a power cut; `always` syncs before it answers. */
  readonly appendfsync: 'everysec' | 'always';
  readonly extra: Readonly<Record<string, string | number>>;
}

const quoted = (value: string | number): string => JSON.stringify(String(value));

/** The text of redis.conf: everything Millrace leans on is said here, nothing is left to a distribution's default. */
export function redisConfigText(config: RedisConfig): string {
  const { endpoint } = config;
  const settings: Record<string, string | number> = {
    bind: '127.0.0.1',
    port: 'port' in endpoint ? endpoint.port : 0,
    ...('unixSocket' in endpoint ? { unixsocket: endpoint.unixSocket, unixsocketperm: '700' } : {}),
    daemonize: 'no',
    dir: config.dir,
    // The title names the configuration file, so that an orphan can be told from a stranger with a reused pid.
    'proc-title-template': '{title} {config-file}',
    appendonly: 'yes',
    appendfsync: config.appendfsync,
    // Snapshots beside the log would only fork and write the same data twice.
    save: '',
    'maxmemory-policy': 'noeviction',
    // A quiet conversation's stream then costs 0.7 kB instead of 4.3 kB.
    'stream-node-max-bytes': 512,
    // Small records, whose longest field is some 200 bytes, then lie in one piece: 0.55 kB instead of 0.87 kB.
    'hash-max-listpack-value': 256,
    'hash-max-listpack-entries': 128,
    'always-show-logo': 'no',
    ...config.extra,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${quoted(value)}\n`)
    .join('');
}
