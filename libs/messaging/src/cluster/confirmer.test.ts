import type { UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { Confirmer } from './confirmer.ts';

const settle = async (): Promise<void> => {
  for (let step = 0; step < 30; step += 1) await Promise.resolve();
};

class ANode {
  readonly asked: UserId[] = [];
  answers = true;
  readonly gone = new Set<UserId>();
  #later: (() => void)[] = [];
  readonly confirmer = new Confirmer({
    timers: {
      after: (_, callback) => {
        this.#later.push(callback);
        return () => undefined;
      },
      soon: (callback) => {
        callback();
      },
    },
    isConcerned: (user) => !this.gone.has(user),
    confirm: (user) => {
      this.asked.push(user);
      return Promise.resolve(this.answers);
    },
  });

  async nextRound(): Promise<void> {
    for (const callback of this.#later.splice(0)) callback();
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
