import { SEGMENTS_MAX } from '@millrace/diffusion';
import type { UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planDiffusion } from '../diffuse/plan.ts';
import type { Appended } from '../effects.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { lines, recalledFrom } from '../testing/recalled-from.ts';

const joiner = 'c' as UserId;

/** Goes over to being pulled with three members, and back with two. */
class Switching {
  readonly talk = new AConversation('g', { readAbove: 2, writeBelow: 3, intervalsMax: 1_000 });
  readonly effects: (Appended & { readonly commitNo: number })[] = [];

  constructor() {
    this.talk.doneTo = 0;
    const { effects } = this.talk.do({
      ...{ t: 'create', creator: 'a' as UserId, kind: 'group', title: 'g', members: ['b' as UserId] },
      ...{ joinPolicy: 'open', historyPolicy: 'join' },
    });
    this.#note(effects);
  }

  /** The third member comes, or goes. */
  toggle(): void {
    const isIn = this.talk.state.present(joiner) !== null;
    this.#note(this.talk.do({ t: isIn ? 'leave' : 'join', user: joiner }).effects);
  }

  send(): void {
    this.#note(this.talk.do(this.talk.sendOf('a')).effects);
  }

  diffuse(commits: number): void {
    this.talk.doneTo = Math.min(this.talk.commitNo, (this.talk.doneTo ?? 0) + commits);
  }

  get segments(): number {
    return this.talk.state.segments.value.length;
  }

  get isRead(): boolean {
    return this.talk.state.segments.value.at(-1)?.to === null;
  }

  /** What was not diffused when the conversation was lost with its node is found out again as it was. */
  async expectRecalled(): Promise<void> {
    const behind = this.effects.filter(({ commitNo }) => commitNo > (this.talk.doneTo ?? 0));
    const recalled = await recalledFrom(this.talk.reloaded(), this.effects, behind);
    expect(lines(recalled)).toEqual(lines(planDiffusion(behind)));
  }

  #note(effects: ReturnType<AConversation['do']>['effects']): void {
    const { commitNo } = this.talk;
    for (const effect of effects) if (effect.e === 'appended') this.effects.push({ ...effect, commitNo });
  }
}

describe('the switches of a conversation', () => {
  it('wait once as many as are remembered are not diffused, and go on when the oldest is (I6, I7)', async () => {
    const one = new Switching();
    let ended = 0;
    for (let count = 1; count <= 2 * SEGMENTS_MAX; count += 1) {
      one.send();
      one.toggle();
      if (count === 2) ended = one.talk.commitNo;
    }
    expect([one.segments, one.isRead]).toEqual([SEGMENTS_MAX, false]);
    for (let count = 0; count < 5; count += 1) {
      one.toggle();
      one.send();
      expect([one.segments, one.isRead]).toEqual([SEGMENTS_MAX, false]);
    }
    await one.expectRecalled();
    one.diffuse(ended - 1);
    one.send();
    expect(one.isRead).toBe(false);
    one.diffuse(1);
    one.send();
    expect([one.segments, one.isRead]).toEqual([SEGMENTS_MAX, true]);
    await one.expectRecalled();
  });

  it('wait likewise for what was committed before the conversation was loaded', async () => {
    const one = new Switching();
    for (let count = 1; count <= 2 * SEGMENTS_MAX; count += 1) one.toggle();
    one.talk.become(one.talk.reloaded());
    const loaded = one.talk.commitNo;
    one.diffuse(loaded - 1);
    one.toggle();
    expect(one.isRead).toBe(false);
    one.diffuse(1);
    one.send();
    expect(one.isRead).toBe(true);
    await one.expectRecalled();
  });

  it('and whatever the pace of diffusion, who got what is found out again after a crash (I6, I7)', async () => {
    const step = fc.oneof(
      { weight: 60, arbitrary: fc.constant('toggle' as const) },
      { weight: 10, arbitrary: fc.constant('send' as const) },
      { weight: 1, arbitrary: fc.constant('reload' as const) },
      { weight: 20, arbitrary: fc.integer({ min: 1, max: 12 }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 250, maxLength: 400 }), fc.nat(250), async (steps, stalledAt) => {
        const one = new Switching();
        for (const [index, each] of steps.entries()) {
          if (each === 'toggle') one.toggle();
          else if (each === 'send') one.send();
          else if (each === 'reload') one.talk.become(one.talk.reloaded());
          else if (index < stalledAt) one.diffuse(each);
        }
        expect(one.segments).toBeLessThanOrEqual(SEGMENTS_MAX);
        await one.expectRecalled();
      }),
      { numRuns: 20 },
    );
  });
});
