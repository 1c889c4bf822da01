import { err, generation, ok, sequenceId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { ChainControl } from '../ports.ts';

/** Chains for the tests of the HTTP API, of two pages. A conversation `none` is not there. */
export class MemoryChains implements ChainControl {
  check: ChainControl['check'] = (conversation, cursor) => {
    const gen = generation(1);
    if (conversation === 'none') return Promise.resolve(err(frameError('not_found', 'there is no such conversation')));
    const marks = [{ gen, seq: sequenceId(50), link: 'ab'.repeat(32) }];
    const page = { conversation, entries: 50, erased: 1, unbound: 0 };
    if (cursor === null) return Promise.resolve(ok({ ...page, broken: [], marks, hot: null, next: '1-50' }));
    const broken = [
      { gen, first: sequenceId(51), last: sequenceId(100), why: 'its entries are not those that were archived' },
    ];
    return Promise.resolve(ok({ ...page, broken, marks: [], hot: 7, next: null }));
  };
}
