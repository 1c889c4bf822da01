import type { UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { HandTimers } from '../testing/hand-timers.ts';
import { Confirmer } from './confirmer.ts';

const settle = async (): Promise<void> => {
  for (let step = 0; step < 30; step += 1) await Promise.resolve();
};

class ANode {
  readonly asked: UserId[] = [];
  answers = true;
  readonly gone = new Set<UserId>();
  readonly #timers = new HandTimers();
  readonly confirmer = new Confirmer({
    timers: this.#timers,
    isConcerned: (user) => !this.gone.has(user),
    confirm: (user) => {
      this.asked.push(user);
      return Promise.resolve(this.answers);
    },
  });

  async nextRound(): Promise<void> {
    this.#timers.elapse();
    await settle();
  }
}

const users = (count: number): UserId[] => Array.from({ length: count }, (_, index) => `u${String(index)}` as UserId);

describe('users with open sessions', () => {
  it('are asked about a few at a time, each once (I9)', async () => {
    const node = new ANode();
    node.confirmer.add(users(40));
    node.confirmer.add(users(40).slice(16));
    await settle();
    expect(node.asked).toHaveLength(16);
    await node.nextRound();
    expect(node.asked).toHaveLength(32);
    await node.nextRound();
    await node.nextRound();
    expect(new Set(node.asked).size).toBe(40);
    expect(node.asked).toHaveLength(40);
    expect(node.confirmer.size).toBe(0);
  });

  it('are asked about again when there was no answer, for as long as they are here', async () => {
    const node = new ANode();
    node.answers = false;
    node.confirmer.add(users(2));
    await settle();
    await node.nextRound();
    expect(node.asked).toHaveLength(4);
    node.gone.add('u0' as UserId);
    node.answers = true;
    await node.nextRound();
    expect(node.asked.slice(4)).toEqual(['u1']);
    await node.nextRound();
    node.confirmer.add(['u1' as UserId]);
    await settle();
    expect(node.asked.slice(5)).toEqual(['u1']);
  });
});
