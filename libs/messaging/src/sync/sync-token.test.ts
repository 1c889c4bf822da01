import { generation, sequenceId, type UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeListCursor, encodeListCursor } from './list-cursor.ts';
import { decodeSyncToken, encodeSyncToken, withSeen, type SyncToken } from './sync-token.ts';

const token: fc.Arbitrary<SyncToken> = fc
  .tuple(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat(1_000))
  .map(([gen, seq, offset]) => ({ position: { gen: generation(gen), seq: sequenceId(seq) }, offset }));
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

  it('moves on to what was seen by push, in the same generation and never back', () => {
    const at = { position: { gen: generation(2), seq: sequenceId(7) }, offset: 3 };
    expect(withSeen(at, undefined)).toBe(at);
    expect(withSeen(at, { gen: 2, seq: sequenceId(7) })).toBe(at);
    expect(withSeen(at, { gen: 3, seq: sequenceId(9) })).toBe(at);
    expect(withSeen(at, { gen: 2, seq: sequenceId(9) })).toEqual({ position: { gen: 2, seq: 9 }, offset: 0 });
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
