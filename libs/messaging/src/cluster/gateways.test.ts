import { partitionId, type NodeId, type UserId } from '@millrace/kernel';
import type { ClusterView, Member } from '@millrace/partition';
import { userKey } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { Gateways } from './gateways.ts';

const run = (name: string): NodeId => `${name}.1` as NodeId;
const member = (name: string, change: Partial<Member> = {}): Member => ({
  name,
  node: run(name),
  roles: ['gateway', 'actors'],
  isDraining: false,
  url: '',
  socketUrl: `ws://${name}`,
  ...change,
});
const members = [
  member('self'),
  member('other'),
  member('going', { isDraining: true }),
  member('owner', { roles: ['actors'] }),
];

/** As the node `self` sees it. */
function gateways(owner: string | null, view: readonly Member[] | null = members): Gateways {
  return new Gateways(run('self'), {
    view: view === null ? null : ({ version: 1, members: view, owners: [] } as unknown as ClusterView),
    partitionOf: (key) => partitionId(key === userKey('ann' as UserId) ? 7 : 0),
    ownerOf: (partition) => (partition === 7 && owner !== null ? run(owner) : null),
  });
}

describe('the nodes that take sockets', () => {
  it('are those with that role that do not go down, for others than this one', () => {
    expect(gateways(null).others.map(({ name }) => name)).toEqual(['other']);
    expect(gateways(null, null).others).toEqual([]);
  });

  it.each([
    ['self', 'self'],
    ['other', 'other'],
    ['going', null],
    ['owner', null],
    ['not in the view', null],
    [null, null],
  ])('when %s owns the user, the home is %s', (owner, home) => {
    expect(gateways(owner).homeOf('ann' as UserId)?.name ?? null).toBe(home);
  });
});
