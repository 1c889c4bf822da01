import { InvariantViolation } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepRing } from './step-ring.ts';

const note = (ring: StepRing, kind: number, name: string, number: number): number =>
  ring.add(kind, name, '', '', `${name}!`, number, 0, 0, 0, 0, 0, 0, -number);

describe('a ring of steps', () => {
  it('holds the newest, at most as many as it was made for, whatever is noted (T1, I9)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(200), { maxLength: 100 }), (capacity, numbers) => {
        const ring = new StepRing(capacity);
        numbers.forEach((number, index) => {
          expect(note(ring, number, `n${String(index)}`, number)).toBe(index);
        });
        const held = Math.min(capacity, numbers.length);
        expect([ring.count, ring.count - ring.first]).toEqual([numbers.length, held]);
        for (let step = 0; step < numbers.length; step += 1) expect(ring.has(step)).toBe(step >= ring.first);
        for (let step = ring.first; step < ring.count; step += 1) {
          const number = numbers[step] ?? NaN;
          expect([ring.kind(step), ring.number(step, 0), ring.number(step, 7)]).toEqual([number, number, -number]);
          expect([ring.name(step, 0), ring.name(step, 3)]).toEqual([`n${String(step)}`, `n${String(step)}!`]);
        }
      }),
    );
  });

  it('takes what is learned later for a step that is there, and for no other one (T2)', () => {
    const ring = new StepRing(2);
    const [first, second] = [note(ring, 1, 'a', 1), note(ring, 1, 'b', 2)];
    ring.set(first, 1, 10);
    expect(ring.number(first, 1)).toBe(10);
    const third = note(ring, 1, 'c', 3);
    for (const step of [first, -1, 99]) ring.set(step, 1, 11);
    ring.set(second, 1, 12);
    expect([ring.number(third, 1), ring.number(second, 1)]).toEqual([0, 12]);
  });

  it('is of one step at least', () => {
    expect(() => new StepRing(0)).toThrow(InvariantViolation);
  });
});
