import type { AckLevel } from '@millrace/partition';

/** What a Redis told of itself. Settings are null when it does not permit CONFIG GET. */
export interface RedisFacts {
  readonly flavour: 'redis' | 'valkey';
  readonly version: string;
  readonly cluster: boolean;
  readonly role: string;
  /** Attached now. Of a Cluster, those of the node that was asked. */
  readonly replicas: number;
  readonly usedMemoryBytes: number;
  /** 0 for no limit of its own. */
  readonly maxMemoryBytes: number;
  readonly appendOnly: boolean;
  readonly settings: RedisSettings | null;
}

export interface RedisSettings {
  readonly maxMemoryPolicy: string;
  readonly appendFsync: string;
  readonly streamNodeMaxBytes: number;
  /** Of `hash-max-listpack-value`: a record with a longer field takes more memory. */
  readonly recordFieldBytes: number;
}

export interface RedisFinding {
  /** `refuse`: Millrace must not start. `warn`: it may, an operator should know. `advice`: it would be better. */
  readonly severity: 'refuse' | 'warn' | 'advice';
  readonly code:
    | 'too_old'
    | 'not_a_master'
    | 'evicts'
    | 'no_memory_limit'
    | 'not_durable'
    | 'loses_on_restart'
    | 'settings_hidden'
    | 'large_stream_nodes'
    | 'large_records'
    | 'no_replica';
  /** What is wrong and what to do, for a person. */
  readonly message: string;
}

const VERSION_MAJOR_MIN = 7;
const STREAM_NODE_BYTES_ADVISED = 512;
/** What a conversation says of itself takes some 200 bytes. */
const RECORD_FIELD_BYTES_ADVISED = 256;

const finding = (severity: RedisFinding['severity'], code: RedisFinding['code'], message: string): RedisFinding => ({
  severity,
  code,
  message,
});

function judgeDurability({ appendOnly, settings }: RedisFacts, level: AckLevel): readonly RedisFinding[] {
  if (!appendOnly) {
    return level === 'disk'
      ? [
          finding(
            'refuse',
            'not_durable',
            'ack level "disk" needs `appendonly yes` and `appendfsync always`; the append-only file is off',
          ),
        ]
      : [
          finding(
            'warn',
            'loses_on_restart',
            'the append-only file is off: a restart of Redis loses messages. Set `appendonly yes`',
          ),
        ];
  }
  if (level !== 'disk') return [];
  if (settings === null) {
    return [
      finding(
        'warn',
        'not_durable',
        'ack level "disk" needs `appendfsync always`, which cannot be seen here: ask whoever runs this Redis',
      ),
    ];
  }
  if (settings.appendFsync === 'always') return [];
  return [
    finding(
      'refuse',
      'not_durable',
      `ack level "disk" needs \`appendfsync always\`, but it is \`${settings.appendFsync}\`. Set it, or declare ack level "memory"`,
    ),
  ];
}

function judgeSettings({ settings, maxMemoryBytes }: RedisFacts): readonly RedisFinding[] {
  if (settings === null) {
    return [
      finding(
        'warn',
        'settings_hidden',
        'this Redis does not permit CONFIG GET, so its settings were not checked. It must have `maxmemory-policy noeviction`',
      ),
    ];
  }
  const { maxMemoryPolicy, streamNodeMaxBytes, recordFieldBytes } = settings;
  const findings: RedisFinding[] = [];
  if (maxMemoryPolicy !== 'noeviction') {
    // Without a limit nothing is evicted yet, but setting one later would delete messages silently.
    const severity = maxMemoryBytes > 0 ? 'refuse' : 'warn';
    findings.push(
      finding(
        severity,
        'evicts',
        `\`maxmemory-policy ${maxMemoryPolicy}\` deletes messages when memory is full. Set \`maxmemory-policy noeviction\``,
      ),
    );
  }
  if (streamNodeMaxBytes === 0 || streamNodeMaxBytes > STREAM_NODE_BYTES_ADVISED) {
    findings.push(
      finding(
        'advice',
        'large_stream_nodes',
        `\`stream-node-max-bytes ${String(streamNodeMaxBytes)}\`: a Timeline of a few entries takes 4.3 kB more than they; with ${String(STREAM_NODE_BYTES_ADVISED)} it takes 0.7 kB more`,
      ),
    );
  }
  if (recordFieldBytes < RECORD_FIELD_BYTES_ADVISED) {
    findings.push(
      finding(
        'advice',
        'large_records',
        `\`hash-max-listpack-value ${String(recordFieldBytes)}\`: the record of a small conversation takes 0.87 kB of memory; with ${String(RECORD_FIELD_BYTES_ADVISED)}, and \`hash-max-listpack-entries 128\`, it takes 0.55 kB`,
      ),
    );
  }
  return findings;
}

/** What is to be said of a Redis that Millrace is to keep its messages in, the gravest first. */
export function judgeRedis(facts: RedisFacts, level: AckLevel): readonly RedisFinding[] {
  const findings: RedisFinding[] = [];
  const major = Number(facts.version.split('.')[0]);
  if (facts.flavour === 'redis' && !(major >= VERSION_MAJOR_MIN)) {
    findings.push(
      finding('refuse', 'too_old', `Redis ${facts.version} has no functions. Use Redis 7.0 or newer, or Valkey`),
    );
  }
  // Any node of a Cluster tells where the masters are.
  if (facts.role !== 'master' && !facts.cluster) {
    findings.push(
      finding(
        'refuse',
        'not_a_master',
        `this Redis is a ${facts.role}: it accepts no writes. Give the address of its master`,
      ),
    );
  }
  if (level === 'replicated' && facts.role === 'master' && facts.replicas === 0) {
    findings.push(
      finding(
        'warn',
        'no_replica',
        'ack level "replicated" needs a replica, and none is attached now: nothing is acknowledged before there is one',
      ),
    );
  }
  if (facts.maxMemoryBytes === 0) {
    findings.push(
      finding(
        'advice',
        'no_memory_limit',
        '`maxmemory` is not set: when memory runs out the system kills Redis instead of Redis refusing sends',
      ),
    );
  }
  findings.push(...judgeDurability(facts, level), ...judgeSettings(facts));
  const order = { refuse: 0, warn: 1, advice: 2 };
  return findings.sort((left, right) => order[left.severity] - order[right.severity]);
}
