import { describe, expect, it } from 'vitest';
import { troubleOf } from './store-errors.ts';

describe('an error of Redis', () => {
  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY You can't write against a read only replica.",
    'LOADING Redis is loading the dataset in memory',
    'CLUSTERDOWN The cluster is down',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'NOREPLICAS Not enough good replicas to write.',
    'MISCONF Redis is configured to save RDB snapshots',
    'BUSY Redis is busy running a script.',
    'MOVED 3999 127.0.0.1:6381',
    'NOAUTH Authentication required.',
    'NOPERM this user has no permissions',
  ])('that refuses a call whole is a refusal: %s', (message) => {
    expect(troubleOf(new Error(message)).kind).toBe('refused');
  });

  it.each([
    "Stream isn't writeable and enableOfflineQueue options is false",
    "Cluster isn't ready and enableOfflineQueue options is false",
  ])('of a command that was never written is a refusal: %s', (message) => {
    expect(troubleOf(new Error(message)).kind).toBe('refused');
  });

  it.each([
    'Connection is closed.',
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'Command aborted due to connection close',
    'ERR user_function:12: attempt to index a nil value',
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    'OOMPH is not a code of Redis',
    '',
  ])('that leaves open whether the call executed is unknown (I5): %s', (message) => {
    expect(troubleOf(new Error(message)).kind).toBe('unknown');
  });

  it('that is not an Error is unknown, too', () => {
    expect(troubleOf('odd')).toEqual({ kind: 'unknown', message: 'odd' });
  });
});
