import { systemClock, systemTimers, type NodeId } from '@millrace/kernel';
import { emptyView, type ClusterView, type Member } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import { EMBEDDED_INDEX, type Indexer } from '../indexing/indexer.ts';
import { searchMisfitOf } from './search-misfit.ts';

const member = (name: string, search?: string): Member => ({
  ...{ name, node: name as NodeId, roles: [], isDraining: false, url: '', socketUrl: '' },
  ...(search === undefined ? {} : { search }),
});
const viewOf = (...members: readonly Member[]): ClusterView => ({ ...emptyView(1), version: 1, members });
const shared = 'typesense:millrace';

function misfit(identity: string | undefined, views: readonly ClusterView[], leaseMs = 20) {
  let at = 0;
  const look = (): ClusterView | null => views[Math.min((at += 1), views.length) - 1] ?? null;
  const parts = { node: 'me' as NodeId, clock: systemClock, timers: systemTimers, leaseMs };
  const indexer = identity === undefined ? {} : { indexer: { identity } as unknown as Indexer };
  return searchMisfitOf(look, { ...parts, ...indexer }, () => false);
}

describe('an index that only its node sees', () => {
  const me = member('me', EMBEDDED_INDEX);

  it('is refused beside other nodes, whatever they have, with what to do', async () => {
    for (const other of [member('other'), member('other', shared), member('other', EMBEDDED_INDEX)]) {
      const refused = await misfit(EMBEDDED_INDEX, [viewOf(me, other)]);
      expect(refused?.message).toContain(
        'of this node is a directory of one process, and there are other nodes (other)',
      );
      expect(refused?.message).toContain('configure a Typesense for all of them, or none');
    }
  });

  it('lets no other node come beside it', async () => {
    for (const identity of [undefined, shared]) {
      const refused = await misfit(identity, [viewOf(member('me'), member('first', EMBEDDED_INDEX))]);
      expect(refused?.message).toContain('the search index of first is a directory of one process');
    }
  });

  it('is fine alone, also once a node has gone whose lease had not run out', async () => {
    expect(await misfit(EMBEDDED_INDEX, [viewOf(me)])).toBeNull();
    expect(await misfit(EMBEDDED_INDEX, [viewOf(me, member('dead')), viewOf(me)], 5_000)).toBeNull();
  });
});

it('nodes with an index that all of them see, or with none, fit together', async () => {
  const view = viewOf(member('me', shared), member('other', shared), member('none'));
  expect(await misfit(shared, [view])).toBeNull();
  expect(await misfit(undefined, [view])).toBeNull();
});
