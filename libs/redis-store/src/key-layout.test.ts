import { InvariantViolation, partitionId, type NodeId } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { keyLayout } from './key-layout.ts';

const hashTag = (key: string): string | undefined => /\{([^}]+)\}/.exec(key)?.[1];

describe('the keys', () => {
  const layout = keyLayout('blue:');
  const partition = partitionId(17);
  const keys = [
    layout.owner(partition),
    layout.feed(partition),
    layout.dead(partition),
    layout.record(partition, 'c:x' as ActorKey),
    layout.timeline(partition, 'c:x' as ActorKey),
    layout.record(partition, 'u:x' as ActorKey),
    layout.timeline(partition, 'u:x' as ActorKey),
  ];

  it('of a partition are all different and begin with the prefix', () => {
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.startsWith('blue:{p17}:'))).toBe(true);
  });

  it('of a partition share one hash tag, which is not another partition\u2019s', () => {
    expect(new Set(keys.map(hashTag))).toEqual(new Set(['p17']));
    expect(hashTag(layout.owner(partitionId(1)))).toBe('p1');
  });

  it('of the cluster are all different, and share one hash tag, so that one call reaches them all', () => {
    const ofCluster = (['members', 'left', 'replaced', 'leader', 'view'] as const).map((part) => layout.cluster(part));
    expect(new Set(ofCluster).size).toBe(5);
    expect(ofCluster.every((key) => key.startsWith('blue:{cluster}:'))).toBe(true);
  });

  it('of a node\u2019s stream share a hash tag that no partition has', () => {
    const node = 'p17' as NodeId;
    const both = [layout.nodeStream(node), layout.openNodeStream(node)];
    expect(new Set(both).size).toBe(2);
    expect(both.every((key) => key.startsWith('blue:{n:p17}:'))).toBe(true);
    expect(new Set(both.map(hashTag))).toEqual(new Set(['n:p17']));
  });

  it('of jobs share a hash tag that no partition has', () => {
    expect(hashTag(layout.jobs)).toBe('jobs');
    expect(layout.jobs.startsWith('blue:')).toBe(true);
  });

  it('cannot be given a prefix that would take over the hash tag', () => {
    expect(() => keyLayout('a{b}')).toThrow(InvariantViolation);
  });
});
