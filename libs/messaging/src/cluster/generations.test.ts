import { generation, partitionId, type NodeId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { Generations, type GenerationNews } from './generations.ts';

const settle = async (): Promise<void> => {
  for (let step = 0; step < 30; step += 1) await Promise.resolve();
};

class ANode {
  readonly told: string[] = [];
  /** Nodes that do not answer. */
  readonly silent = new Set<string>();
  risen = 0;
  later: (() => void)[] = [];
  readonly generations = new Generations({
    timers: {
      after: (_, callback) => {
        this.later.push(callback);
        return () => undefined;
      },
      soon: (callback) => {
        callback();
      },
    },
    partitionOf: (key) => partitionId(key === 'c:x' ? 3 : 0),
    tell: (node, news) => {
      this.told.push(`${node}: ${news.map(([partition, gen]) => `${String(partition)} in ${String(gen)}`).join(', ')}`);
      return Promise.resolve(!this.silent.has(node));
    },
    risen: () => {
      this.risen += 1;
    },
  });

  follow(...nodes: string[]): void {
    this.generations.follow(new Set(nodes as NodeId[]));
  }

  claimed(partition: number, gen: number): void {
    this.generations.claimed(partitionId(partition), generation(gen));
  }

  async retry(): Promise<void> {
    for (const callback of this.later.splice(0)) callback();
    await settle();
  }
}

const news = (partition: number, gen: number): GenerationNews => [[partitionId(partition), generation(gen)]];

describe('the newest generations', () => {
  it('are told to every other node until it answers, and to those that come later (G1)', async () => {
    const node = new ANode();
    node.follow('b', 'c');
    node.silent.add('c');
    node.claimed(3, 2);
    await settle();
    expect(node.told).toEqual(['b: 3 in 2', 'c: 3 in 2']);
    node.silent.clear();
    await node.retry();
    expect(node.told.slice(2)).toEqual(['c: 3 in 2']);
    node.follow('b', 'c', 'd');
    node.claimed(4, 5);
    await settle();
    expect(node.told.slice(3).sort()).toEqual(['b: 4 in 5', 'c: 4 in 5', 'd: 3 in 2', 'd: 4 in 5']);
    await node.retry();
    expect(node.told).toHaveLength(7);
  });

  it('are told to a node that left and came back, and no more to one that is gone', async () => {
    const node = new ANode();
    node.silent.add('b');
    node.follow('b');
    node.claimed(3, 2);
    await settle();
    node.follow();
    await node.retry();
    expect(node.told).toHaveLength(1);
    node.silent.clear();
    node.follow('b');
    await settle();
    expect(node.told).toHaveLength(2);
  });

  it('are nothing while every partition is in its first one', async () => {
    const node = new ANode();
    node.follow('b');
    node.claimed(3, 1);
    await settle();
    expect([node.told.length, node.generations.version, node.risen]).toEqual([0, 0, 0]);
  });

  it('never go back, and say when they rose', () => {
    const node = new ANode();
    node.generations.heard(news(3, 4));
    node.generations.heard(news(3, 2));
    node.generations.heard(news(3, 4));
    expect(node.generations.newest('x' as never)).toBe(4);
    expect(node.generations.newest('y' as never)).toBe(0);
    expect([node.generations.version, node.risen]).toEqual([1, 1]);
    // What was heard of others is theirs to tell.
    node.follow('b');
    expect(node.told).toEqual([]);
  });
});
