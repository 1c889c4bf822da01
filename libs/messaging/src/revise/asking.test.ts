import { ok, type Result } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import { StoreUnavailable, Superseded } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { Asking } from './asking.ts';
import { InOrder } from './in-order.ts';

const asking = new Asking({} as ActorCalls, new InOrder());

/** Asks with facts that are looked up with these outcomes, one after the other. @returns how often, and the answer. */
async function asked(
  ...outcomes: readonly (Error | number)[]
): Promise<[looks: number, answer: Result<string, FrameError>]> {
  let looks = 0;
  const look = (): Promise<Result<number, FrameError>> => {
    const outcome = outcomes[Math.min(looks, outcomes.length - 1)] ?? 0;
    looks += 1;
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(ok(outcome));
  };
  const answer = await asking.looked<number, string>(look, (facts) =>
    Promise.resolve(ok(facts < 0 ? 'stale' : `by ${String(facts)}`)),
  );
  return [looks, answer];
}

describe('what is decided by what is stored', () => {
  it('is asked once where that is not out of date', async () => {
    expect(await asked(7)).toEqual([1, ok('by 7')]);
  });

  it('is looked up anew where it was changed meanwhile, or its owner has been another one (P5)', async () => {
    expect(await asked(-1, 7)).toEqual([2, ok('by 7')]);
    expect(await asked(new Superseded('by now'), 7)).toEqual([2, ok('by 7')]);
  });

  it('is given up for a while when that does not end, or the store cannot be asked', async () => {
    const unavailable = { ok: false, error: { code: 'unavailable', retry: 'later' } };
    expect(await asked(new Superseded('by now'))).toMatchObject([5, unavailable]);
    expect(await asked(new StoreUnavailable('away'), 7)).toMatchObject([1, unavailable]);
  });
});
