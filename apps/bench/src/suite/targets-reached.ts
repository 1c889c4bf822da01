/** What must be reached: a number in the report of a step, and its bound. */
export interface Target {
  readonly step: string;
  readonly what: string;
  /** Names from the report's root to the number. */
  readonly path: readonly string[];
  /** To another one, which is added. */
  readonly plus?: readonly string[];
  readonly at: 'least' | 'most';
  readonly bound: number;
  readonly unit: string;
}

export interface Reached extends Target {
  /** Null when it was not measured. */
  readonly value: number | null;
  readonly ok: boolean | null;
}

const ratio = (part: string, name: string): readonly string[] => ['ratio', 'parts', part, name];
const target = (
  step: string,
  what: string,
  path: readonly string[],
  at: Target['at'],
  bound: number,
  unit = '',
): Target => ({ step, what, path, at, bound, unit });

const syncTargets = ['write-1', 'write-50', 'write-500', 'read-1', 'read-50', 'read-500'].map((part) =>
  target('sync', `${part}: messages a second of a login, to XRANGE`, ratio(part, 'throughput'), 'least', 0.4),
);

const cpuOf = ['median', 'parts', 'direct saturated', 'cpuMicrosPerMessage'];
const CPU = { node: [...cpuOf, 'node'], redis: [...cpuOf, 'redis'] };

export const targets: readonly Target[] = [
  target('direct', 'saturated, to ws-floor', ratio('direct saturated', 'throughput'), 'least', 0.5),
  {
    ...target('direct', 'saturated, CPU of node and Redis a message', CPU.node, 'most', 30, 'µs'),
    plus: CPU.redis,
  },
  target(
    'direct',
    '2,000 sockets with one under way, to ws-floor',
    ratio('direct-2000 saturated', 'throughput'),
    'least',
    0.35,
  ),
  target('direct', 'at 1,000/s, ack p50', ['median', 'parts', 'direct 1000/s', 'ackMs', 'p50'], 'most', 1.5, 'ms'),
  target('direct', 'at 1,000/s, ack p99, to ws-floor', ratio('direct 1000/s', 'p99'), 'most', 3),
  target('disk', 'saturated, to ack level memory', ratio('direct saturated', 'throughput'), 'least', 0.8),
  target('replicated', 'saturated, to ack level memory', ratio('direct saturated', 'throughput'), 'least', 0.4),
  target('scale-out', 'CPU a message of two nodes, to one', ratio('direct saturated', 'cpu'), 'most', 1.15),
  target('commit', 'entries a second, to XADD by redis-benchmark', ['ratio', 'throughput'], 'least', 0.5),
  target('group', 'of 500, saturated, to ws-floor', ratio('group-500 saturated', 'throughput'), 'least', 0.6),
  target('huge-group', '10,000, saturated, to ws-floor', ratio('group-10000 saturated', 'throughput'), 'least', 0.8),
  target(
    'huge-group',
    '10,000, until the last member has it, to ws-floor',
    ratio('group-10000 one at a time', 'lastMember'),
    'most',
    1.3,
  ),
  ...syncTargets,
  target(
    'sync',
    '10,000 devices that come back: all have everything',
    ['median', 'reconnect', 'allSyncedSeconds'],
    'most',
    10,
    's',
  ),
  target('sync', 'p99 of the others meanwhile, to before', ['median', 'reconnect', 'othersP99Times'], 'most', 10),
  target('idle', 'a connection, above ws-floor', ['ratio', 'bytesAboveFloor'], 'most', 4_096, 'bytes'),
  target(
    'failover',
    'a Redis master is killed: longest pause',
    ['median', 'failover', 'kill-master', 'pauseMs'],
    'most',
    5_000,
    'ms',
  ),
  target(
    'memory',
    'a message in a busy conversation, to its payload and 60 bytes',
    ['median', 'memory', 'busyMessageTimes'],
    'most',
    1.3,
  ),
  target(
    'growth',
    'CPU a message beside the most conversations, to the fewest',
    ['ratio', 'conversations'],
    'most',
    1.2,
  ),
  target(
    'growth',
    'CPU a message when the most conversations are written to in turn, to the fewest',
    ['ratio', 'written to'],
    'most',
    1.2,
  ),
  target('growth', 'CPU a message behind the most stored ones, to none', ['ratio', 'messages'], 'most', 1.2),
  target('history', 'a page of 50 from the archive, p99', ['median', 'history', 'pageMs', 'p99'], 'most', 5, 'ms'),
  target('history', "the archive's own, to the library's range read, p50", ['ratio', 'archiveP50'], 'most', 2),
  target('history', "the archive's own, to the library's range read, p99", ['ratio', 'archiveP99'], 'most', 2),
  target(
    'history',
    "the archive's own with nothing of it in memory, to the library's range read in a thread, p99",
    ['ratio', 'uncachedInThreadP99'],
    'most',
    2,
  ),
  target('memory', 'a record in an inbox', ['median', 'memory', 'inboxRecordBytes'], 'most', 40, 'bytes'),
  target('memory', 'a quiet conversation', ['median', 'memory', 'quietConversationBytes'], 'most', 1_024, 'bytes'),
];

function numberAt(report: unknown, path: readonly string[]): number | null {
  let at: unknown = report;
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return null;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return typeof at === 'number' ? at : null;
}

/** What one number and the other come to, when there is another. */
function sumOf(value: number | null, plus: readonly string[] | undefined, report: unknown): number | null {
  if (plus === undefined || value === null) return value;
  const other = numberAt(report, plus);
  return other === null ? null : value + other;
}

/** @param reports - as they were written, by the name of their step. */
export function reachedBy(reports: Readonly<Record<string, unknown>>): readonly Reached[] {
  return targets.map((one) => {
    const value = sumOf(numberAt(reports[one.step], one.path), one.plus, reports[one.step]);
    const ok = value === null ? null : one.at === 'least' ? value >= one.bound : value <= one.bound;
    return { ...one, value, ok };
  });
}
