import { describe, expect, it } from 'vitest';
import { PromptTimers } from './prompt-timers.ts';

/** A turn of the event loop whose end comes when the test says so. */
class ATurn {
  nowMs = 0;
  readonly ran: string[] = [];
  #atEnd: (() => void)[] = [];
  readonly timers = new PromptTimers(
    {
      after: (delayMs, callback) => {
        this.ran.push(`after ${String(delayMs)}`);
        callback();
        return () => undefined;
      },
      soon: (callback) => this.#atEnd.push(callback),
    },
    { monotonicMs: () => this.nowMs },
    10,
  );

  soon(name: string, also: () => void = () => undefined): void {
    this.timers.soon(() => {
      this.ran.push(name);
      also();
    });
  }

  end(): void {
    const all = this.#atEnd;
    this.#atEnd = [];
    for (const callback of all) callback();
  }
}

describe('what is put off to the end of a turn', () => {
  it('runs there, in order, and once', () => {
    const turn = new ATurn();
    turn.soon('a');
    turn.soon('b');
    turn.nowMs += 9;
    turn.timers.catchUp();
    expect(turn.ran).toEqual([]);
    turn.end();
    turn.end();
    expect(turn.ran).toEqual(['a', 'b']);
  });

  it('runs before it when the turn takes too long, and not again at its end', () => {
    const turn = new ATurn();
    turn.soon('a');
    turn.nowMs += 9;
    turn.soon('b');
    turn.nowMs += 1;
    turn.timers.catchUp();
    expect(turn.ran).toEqual(['a', 'b']);
    turn.soon('c');
    turn.timers.catchUp();
    turn.end();
    expect(turn.ran).toEqual(['a', 'b', 'c']);
    turn.nowMs += 100;
    turn.timers.catchUp();
    expect(turn.ran).toHaveLength(3);
  });

  it('waits as long again when it is put off by what ran before its time', () => {
    const turn = new ATurn();
    turn.soon('a', () => {
      turn.soon('b');
    });
    turn.nowMs += 10;
    turn.timers.catchUp();
    turn.timers.catchUp();
    expect(turn.ran).toEqual(['a']);
    turn.nowMs += 10;
    turn.timers.catchUp();
    turn.end();
    expect(turn.ran).toEqual(['a', 'b']);
  });

  it('is not run from within what is run (P2)', () => {
    const turn = new ATurn();
    turn.soon('a', () => {
      turn.soon('late');
      turn.nowMs += 100;
      turn.timers.catchUp();
    });
    turn.soon('b');
    turn.nowMs += 10;
    turn.timers.catchUp();
    expect(turn.ran).toEqual(['a', 'b']);
  });

  it('runs though what was before it threw (P1), and is caught up with again', () => {
    const turn = new ATurn();
    turn.soon('a', () => {
      throw new Error('a defect');
    });
    turn.soon('b');
    turn.nowMs += 10;
    expect(() => {
      turn.timers.catchUp();
    }).toThrow('a defect');
    turn.soon('c');
    turn.nowMs += 10;
    turn.timers.catchUp();
    turn.end();
    expect(turn.ran).toEqual(['a', 'b', 'c']);
  });

  it('leaves alone what is to come after a time', () => {
    const turn = new ATurn();
    turn.timers.after(5, () => turn.ran.push('came'));
    expect(turn.ran).toEqual(['after 5', 'came']);
  });
});
