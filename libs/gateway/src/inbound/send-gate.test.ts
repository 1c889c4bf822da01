import { err, ok, type ConversationId, type Result } from '@millrace/kernel';
import { frameError, type ErrorCode, type FrameError } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendGate, type GatedSend, type Numbered } from './send-gate.ts';

const tea = 'tea' as ConversationId;

/** What becomes of a send that has reached the end of the way to its conversation. */
type Fate = 'decided' | 'full' | 'answer lost';

interface OnTheWay {
  readonly send: Numbered & { readonly after: number };
  /** Null for one that only finds out what would have become of one that was held back. */
  gated: GatedSend | null;
  readonly isGhost: boolean;
}

/**
 * One device, its socket's gate, the way behind it, which keeps the order, and the conversation's counter. What was
 * answered may still be on the way, as behind a deadline; and the conversation has what earlier sockets brought it.
 */
class AModel {
  readonly gate = new SendGate();
  readonly wrong: string[] = [];
  heldBack = 0;
  #last: number;
  readonly #stored: Set<number>;
  #way: OnTheWay[] = [];
  /** Refusals of sends that found no room on the way, not heard of yet. */
  #refusals: GatedSend[] = [];
  #nowMs = 0;

  constructor(last: number) {
    this.#last = last;
    this.#stored = new Set(Array.from({ length: last }, (_, index) => index + 1));
  }

  send(n: number, after: number, hasRoom: boolean): void {
    if (after < 0 || n <= after) return;
    const send = { conversation: tea, n, after };
    const expected = this.gate.holdsBack(send, this.#nowMs);
    if (expected !== null) {
      this.heldBack += 1;
      if (expected >= n) this.wrong.push(`n ${String(n)} was held back for n ${String(expected)}`);
      this.#way.push({ send, gated: null, isGhost: true });
      return;
    }
    const gated = this.gate.sent(send);
    if (hasRoom) this.#way.push({ send, gated, isGhost: false });
    else if (gated !== null) this.#refusals.push(gated);
  }

  refuse(): void {
    const gated = this.#refusals.shift();
    if (gated !== undefined) this.#answer(gated, err(frameError('overloaded', 'no room')));
  }

  /** The deadline of one of those that are on the way passes: it is carried out all the same, later. */
  giveUp(at: number): void {
    const given = this.#way.filter(({ isGhost }) => !isGhost)[at];
    if (given?.gated === undefined || given.gated === null) return;
    this.#answer(given.gated, err(frameError('unavailable', 'it was not answered in time')));
    given.gated = null;
  }

  arrive(fate: Fate): void {
    const next = this.#way.shift();
    if (next === undefined) return;
    const { send, gated, isGhost } = next;
    if (isGhost) {
      if (!this.#stored.has(send.n) && send.n > this.#last && send.after === this.#last) {
        this.wrong.push(`n ${String(send.n)} after ${String(send.after)} was held back, and would be accepted`);
      }
      return;
    }
    if (fate === 'full') {
      if (gated !== null) this.#answer(gated, err(frameError('overloaded', 'the mailbox is full')));
      return;
    }
    const [outcome, isDuplicate] = this.#decide(send);
    if (gated === null) return;
    if (fate === 'decided') this.#answer(gated, outcome, isDuplicate);
    else this.#answer(gated, err(frameError('unavailable', 'what became of it is not known')));
  }

  #decide({ n, after }: { readonly n: number; readonly after: number }): [Result<unknown, FrameError>, boolean] {
    if (this.#stored.has(n)) return [ok(null), true];
    if (n < this.#last) return [err(frameError('expired', 'a number that was given up')), false];
    if (after !== this.#last) return [err(frameError('out_of_order', '', { expected: this.#last + 1 })), false];
    this.#last = n;
    this.#stored.add(n);
    return [ok(null), false];
  }

  #answer(gated: GatedSend, outcome: Result<unknown, FrameError>, isDuplicate = false): void {
    this.gate.answered(gated, outcome, isDuplicate);
  }
}

/** A few numbers around those that the conversation is at, mostly in order, each after the one before or after another. */
const aSend = fc.record({
  do: fc.constant('send' as const),
  n: fc.integer({ min: 1, max: 12 }),
  back: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 4 }) }),
  count: fc.integer({ min: 1, max: 4 }),
  hasRoom: fc.boolean(),
});
const aStep = fc.oneof(
  { weight: 6, arbitrary: aSend },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('refuse' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('give up' as const), at: fc.nat(4) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('arrive' as const),
      fate: fc.oneof(
        { weight: 6, arbitrary: fc.constant<Fate>('decided') },
        { weight: 2, arbitrary: fc.constant<Fate>('full') },
        { weight: 1, arbitrary: fc.constant<Fate>('answer lost') },
      ),
    }),
  },
);

function run(last: number, steps: readonly (typeof aStep extends fc.Arbitrary<infer Step> ? Step : never)[]): AModel {
  const model = new AModel(last);
  for (const step of steps) {
    if (step.do === 'refuse') model.refuse();
    else if (step.do === 'give up') model.giveUp(step.at);
    else if (step.do === 'arrive') model.arrive(step.fate);
    else {
      for (let index = 0; index < step.count; index += 1) {
        const n = step.n + index;
        model.send(n, index === 0 ? n - step.back : n - 1, step.hasRoom);
      }
    }
  }
  for (let left = 0; left < 500; left += 1) model.arrive('decided');
  return model;
}

const refusal = (code: ErrorCode, expected?: number): Result<unknown, FrameError> =>
  err(frameError(code, '', expected === undefined ? {} : { expected }));

/** A gate behind which 1 was stored, 2 was refused with this, and what is asked then is asked. */
function refusedAt2(code: ErrorCode): SendGate {
  const gate = new SendGate();
  const [first, second] = [gate.sent({ conversation: tea, n: 1 }), gate.sent({ conversation: tea, n: 2 })];
  gate.answered(first, ok(null), false);
  gate.answered(second, refusal(code), false);
  return gate;
}

describe('the gate of a device that sends', () => {
  it('holds back nothing that the conversation would accept, whatever is refused, lost or late (G1)', () => {
    let heldBack = 0;
    fc.assert(
      fc.property(fc.nat(3), fc.array(aStep, { maxLength: 80, size: 'max' }), (last, steps) => {
        const model = run(last, steps);
        heldBack += model.heldBack;
        expect(model.wrong).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
    // It would not be worth a look if it held back nothing.
    expect(heldBack).toBeGreaterThan(300);
  });

  it('holds back what is behind a message that found no room, until that one comes again', () => {
    const gate = refusedAt2('overloaded');
    expect([3, 4, 65].map((n) => gate.holdsBack({ conversation: tea, n }, 0))).toEqual([2, 2, 2]);
    expect(gate.holdsBack({ conversation: 'other' as ConversationId, n: 3 }, 0)).toBe(null);
    expect(gate.holdsBack({ conversation: tea, n: 2 }, 0)).toBe(null);
    gate.sent({ conversation: tea, n: 2 });
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 0)).toBe(null);
  });

  it('tells what the refused one follows on, where numbers between are skipped', () => {
    const gate = new SendGate();
    gate.answered(gate.sent({ conversation: tea, n: 4 }), ok(null), false);
    // 5 was refused for good, so 6 follows on 4.
    gate.answered(gate.sent({ conversation: tea, n: 6, after: 4 }), refusal('overloaded'), false);
    expect(gate.holdsBack({ conversation: tea, n: 7 }, 0)).toBe(5);
    gate.sent({ conversation: tea, n: 6, after: 4 });
    expect(gate.holdsBack({ conversation: tea, n: 7 }, 0)).toBe(null);
  });

  it('lets an earlier one pass, and then the refused one must still come first', () => {
    const gate = refusedAt2('overloaded');
    expect(gate.holdsBack({ conversation: tea, n: 1 }, 0)).toBe(null);
    gate.sent({ conversation: tea, n: 1 });
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 0)).toBe(2);
  });

  it('lets what takes the place of a message pass that was given up', () => {
    const gate = refusedAt2('overloaded');
    expect(gate.holdsBack({ conversation: tea, n: 4, after: 3 }, 0)).toBe(2);
    expect(gate.holdsBack({ conversation: tea, n: 3, after: 1 }, 0)).toBe(null);
    gate.sent({ conversation: tea, n: 3, after: 1 });
    expect(gate.holdsBack({ conversation: tea, n: 4, after: 3 }, 0)).toBe(null);
  });

  it.each(['unavailable', 'draining', 'internal', 'not_member', 'bad_request', 'rate_limited'] as const)(
    'does not hold back behind %s: that may be stored, or is not to come again',
    (code) => {
      expect(refusedAt2(code).holdsBack({ conversation: tea, n: 3 }, 0)).toBe(null);
    },
  );

  it('waits for the first of several that found no room', () => {
    const gate = refusedAt2('overloaded');
    gate.refused({ conversation: tea, n: 5 });
    expect(gate.holdsBack({ conversation: tea, n: 6 }, 0)).toBe(2);
    const [two, three] = [gate.sent({ conversation: tea, n: 2 }), gate.sent({ conversation: tea, n: 3 })];
    gate.answered(three, refusal('overloaded'), false);
    gate.answered(two, refusal('overloaded'), false);
    expect(gate.holdsBack({ conversation: tea, n: 4 }, 0)).toBe(2);
  });

  it('holds back behind what never went anywhere, too', () => {
    const gate = new SendGate();
    gate.answered(gate.sent({ conversation: tea, n: 1 }), ok(null), false);
    gate.refused({ conversation: tea, n: 2 });
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 0)).toBe(2);
  });

  it('lets the conversation itself answer after two seconds: the client may know more (G2)', () => {
    const gate = refusedAt2('overloaded');
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 50_000)).toBe(2);
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 51_999)).toBe(2);
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 52_000)).toBe(null);
    expect(gate.holdsBack({ conversation: tea, n: 3 }, 52_001)).toBe(null);
  });

  it('remembers a bounded number of conversations, and forgets no uncertain one (G3)', () => {
    const gate = new SendGate();
    const named = (index: number): Numbered => ({ conversation: `c${String(index)}` as ConversationId, n: 1 });
    gate.answered(gate.sent(named(0)), refusal('unavailable'), false);
    for (let index = 1; index < 1_000; index += 1) gate.answered(gate.sent(named(index)), ok(null), false);
    expect(gate.size).toBe(128);
    // What may be stored under n 1 is still known to be uncertain.
    gate.answered(gate.sent(named(0)), refusal('out_of_order', 1), false);
    gate.refused(named(0));
    expect(gate.holdsBack({ ...named(0), n: 2 }, 0)).toBe(null);
    for (let index = 1_000; index < 2_000; index += 1) gate.sent(named(index));
    expect(gate.size).toBe(128);
  });
});
