import { err, ok, seededRandom, type Result } from '@millrace/kernel';
import { frameError, type ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { SessionError } from './session-error.ts';
import { backoffMs, withRetries } from './with-retries.ts';

const lost = (reconnect: 'now' | 'backoff' | 'token' | 'never'): SessionError => ({
  kind: 'lost',
  closeCode: 1006,
  reason: '',
  reconnect,
});
const refused = (code: ErrorCode, retryAfterMs?: number): SessionError => ({
  kind: 'refused',
  error: frameError(code, '', retryAfterMs === undefined ? {} : { retryAfterMs }),
});

async function outcomeOf(errors: readonly SessionError[], attemptsMax = 10) {
  const waits: number[] = [];
  let tried = 0;
  const policy = {
    initialMs: 100,
    maxMs: 1_000,
    attemptsMax,
    random: seededRandom(3),
    sleep: async (delayMs: number) => {
      waits.push(delayMs);
    },
  };
  const outcome = await withRetries(policy, async (): Promise<Result<number, SessionError>> => {
    const error = errors[tried];
    tried += 1;
    return error === undefined ? ok(tried) : err(error);
  });
  return { outcome, waits };
}

describe('a request that is repeated', () => {
  it('succeeds when the trouble passes', async () => {
    const { outcome, waits } = await outcomeOf([lost('backoff'), refused('unavailable'), lost('now'), lost('token')]);
    expect(outcome).toEqual(ok(5));
    expect(waits).toHaveLength(4);
  });

  it.each([
    ['what is refused for good', refused('forbidden')],
    ['what is out of order, which its caller must settle', refused('out_of_order')],
    ['a server that does not want it back', lost('never')],
  ])('is not repeated after %s', async (_what, error) => {
    const { outcome, waits } = await outcomeOf([error]);
    expect(outcome).toEqual(err(error));
    expect(waits).toEqual([]);
  });

  it('waits at least as long as the server asks for', async () => {
    const { waits } = await outcomeOf([refused('rate_limited', 5_000)]);
    expect(waits[0]).toBeGreaterThanOrEqual(5_000);
  });

  it('gives up after so many attempts, with the last error', async () => {
    const { outcome, waits } = await outcomeOf(
      Array.from({ length: 9 }, () => lost('backoff')),
      3,
    );
    expect(outcome).toEqual(err(lost('backoff')));
    expect(waits).toHaveLength(2);
  });

  it('waits longer and longer, up to a bound, and never the same for all', () => {
    const random = seededRandom(1);
    const most = (attempt: number): number =>
      Math.max(...Array.from({ length: 200 }, () => backoffMs({ initialMs: 100, maxMs: 1_000, random }, attempt)));
    expect(most(0)).toBeLessThanOrEqual(100);
    expect(most(2)).toBeGreaterThan(200);
    expect(most(40)).toBeLessThanOrEqual(1_000);
    expect(new Set(Array.from({ length: 20 }, () => backoffMs({ initialMs: 100, maxMs: 1_000, random }, 3))).size).toBe(
      20,
    );
  });
});
