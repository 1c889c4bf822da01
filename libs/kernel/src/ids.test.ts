import { describe, expect, it } from 'vitest';
import { InvariantViolation } from './assert.ts';
import {
  directConversationId,
  generation,
  isDirectConversationId,
  parseConversationId,
  parseGeneration,
  parseSequenceId,
  parseUserId,
  partitionId,
  sequenceId,
  type UserId,
} from './ids.ts';

describe('ids', () => {
  it('are 1 to 64 of the named characters and nothing else', () => {
    expect(parseUserId('a.B_9~@:%+=-')).toEqual({ ok: true, value: 'a.B_9~@:%+=-' });
    for (const bad of ['', 'a b', 'a!b', 'ä', 'a/b', '{p1}', 'x'.repeat(65), 7, null, undefined, ['a']]) {
      expect(parseUserId(bad)).toMatchObject({ ok: false, error: { code: 'bad_id' } });
    }
  });

  it('name the one direct conversation of two users, whichever asks', () => {
    const [one, other] = ['bob' as UserId, 'alice' as UserId];
    const id = directConversationId(one, other);
    expect(id).toBe(directConversationId(other, one));
    expect(parseConversationId(id).ok).toBe(true);
    expect(isDirectConversationId(id)).toBe(true);
    expect(parseConversationId('a!b!c').ok).toBe(false);
  });

  it('count in whole numbers from 0, and a bug that does not is caught', () => {
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
      expect(() => sequenceId(bad)).toThrow(InvariantViolation);
      expect(() => generation(bad)).toThrow(InvariantViolation);
      expect(parseSequenceId(bad).ok).toBe(false);
      expect(parseGeneration(bad).ok).toBe(false);
    }
    expect(() => partitionId(65_536)).toThrow(InvariantViolation);
    expect(parseSequenceId('1').ok).toBe(false);
    expect(parseSequenceId(0)).toEqual({ ok: true, value: 0 });
  });
});
