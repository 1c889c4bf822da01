import { generation, sequenceId, type UserId } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeListCursor, encodeListCursor } from './list-cursor.ts';
import { CURSORS_MAX, decodeSyncToken, encodeSyncToken, noCursors, withSeen, type SyncToken } from './sync-token.ts';

const position = fc
  .tuple(fc.maxSafeNat(), fc.maxSafeNat())
  .map(([gen, seq]) => ({ gen: generation(gen), seq: sequenceId(seq) }));
const cursors = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 1e6 }), position), { maxLength: 20, selector: ([slot]) => slot })
  .map((list) => new Map(list));
const window = fc.record({ to: position, done: fc.nat(), given: fc.nat() });
const token: fc.Arbitrary<SyncToken> = fc
  .record({
    position,
    offset: fc.nat(1_000),
    cursors,
    turn: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
    window: fc.option(window, { nil: undefined }),
  })
  .map(({ turn, window: within, ...rest }) => ({
    ...rest,
    ...(turn === undefined || rest.cursors.size === 0 ? {} : { turn }),
    ...(within === undefined ? {} : { window: within }),
  }));
const user = fc.stringMatching(/^[A-Za-z0-9._~@:%+=-]{1,64}$/).map((name) => name as UserId);

describe('a sync token', () => {
  it('comes back as it was, in characters that fit everywhere', () => {
    fc.assert(
      fc.property(user, token, (of, given) => {
        const text = encodeSyncToken(of, given);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeSyncToken(of, text)).toEqual({ ok: true, value: given });
      }),
    );
  });

  it('of another user is refused (I11)', () => {
    fc.assert(
      fc.property(user, user, token, (of, other, given) => {
        if (of === other) return;
        expect(decodeSyncToken(other, encodeSyncToken(of, given))).toMatchObject({ ok: false });
      }),
    );
  });

  it('that was made up is refused, and never throws', () => {
    fc.assert(
      fc.property(user, fc.oneof(fc.string(), fc.base64String()), (of, text) => {
        const decoded = decodeSyncToken(of, text);
        if (!decoded.ok) expect(decoded.error.code).toBe('bad_request');
        else expect(decodeSyncToken(of, encodeSyncToken(of, decoded.value))).toEqual(decoded);
      }),
    );
  });

  it('without cursors is what it was before there were any, and of before is read', () => {
    const plain = { position: { gen: generation(1), seq: sequenceId(46) }, offset: 0, cursors: noCursors };
    expect(encodeSyncToken('ann' as UserId, plain)).toBe('AQNhbm4BLgA');
    expect(decodeSyncToken('ann' as UserId, 'AQNhbm4BLgA')).toEqual({ ok: true, value: plain });
  });

  it('is read without the turn by programs that know nothing of it', () => {
    const at = { gen: generation(1), seq: sequenceId(3) };
    const plain = { position: at, offset: 0, cursors: new Map([[5, at]]) };
    const bytes = (given: SyncToken): Buffer => Buffer.from(encodeSyncToken('ann' as UserId, given), 'base64url');
    const before = bytes(plain);
    expect(bytes({ ...plain, turn: 5 }).subarray(0, before.length)).toEqual(before);
  });

  it('fits, with as many cursors as it may have, and far on', () => {
    const far = { gen: generation(99), seq: sequenceId(2 ** 40) };
    const many = new Map(Array.from({ length: CURSORS_MAX + 5 }, (_, index) => [1 + 900 * index, far]));
    const text = encodeSyncToken('u'.repeat(64) as UserId, { position: far, offset: 9, cursors: many });
    expect(text.length).toBeLessThanOrEqual(protocolLimits.opaqueChars);
    const decoded = decodeSyncToken('u'.repeat(64) as UserId, text);
    expect(decoded.ok && decoded.value.cursors.size).toBe(CURSORS_MAX);
  });

  it('moves on to what was seen by push, in the same generation and never back', () => {
    const at = { position: { gen: generation(2), seq: sequenceId(7) }, offset: 3, cursors: noCursors };
    expect(withSeen(at, undefined)).toBe(at);
    expect(withSeen(at, { gen: 2, seq: sequenceId(7) })).toBe(at);
    expect(withSeen(at, { gen: 3, seq: sequenceId(9) })).toBe(at);
    expect(withSeen(at, { gen: 2, seq: sequenceId(9) })).toEqual({
      position: { gen: 2, seq: 9 },
      offset: 0,
      cursors: noCursors,
    });
  });
});

describe('a list cursor', () => {
  it('comes back as it was, and nothing else is taken', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (lastAt, slot) => {
        expect(decodeListCursor(encodeListCursor({ lastAt, slot }))).toEqual({ ok: true, value: { lastAt, slot } });
      }),
    );
    for (const bad of ['', '1', '1.', '.1', '-1.2', '1.2.3', '1e5.1', '1.9999999999999999']) {
      expect(decodeListCursor(bad)).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    }
  });
});
