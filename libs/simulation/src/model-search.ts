import { err, type Result } from '@millrace/kernel';
import type { SearchIndex, SearchUnavailable } from '@millrace/search';
import { MemorySearch, type MemorySearchDisk } from '@millrace/search/testing';
import type { ArchiveFate } from './model-archive.ts';
import type { VirtualTime } from './virtual-time.ts';

const away: SearchUnavailable = {
  code: 'unavailable',
  retry: 'backoff',
  message: 'The index gave no answer.',
  whatToDo: 'Try again.',
};

/** A search index that several processes see: calls take time, and they or their answers may be lost. */
export function modelSearch(
  disk: MemorySearchDisk,
  timers: VirtualTime['timers'],
  fate: () => ArchiveFate,
): SearchIndex {
  const index = new MemorySearch(disk);
  const wait = (forMs: number): Promise<void> =>
    new Promise((resolve) => {
      timers.after(forMs, resolve);
    });
  const carry = async <T, E>(call: () => Promise<Result<T, E>>): Promise<Result<T, E | SearchUnavailable>> => {
    const { kind, requestMs, replyMs } = fate();
    await wait(requestMs);
    if (kind === 'lose-request') return err(away);
    const outcome = await call();
    await wait(replyMs);
    return kind === 'lose-reply' ? err(away) : outcome;
  };
  return {
    apply: (...args) => carry(() => index.apply(...args)),
    cursor: (...args) => carry(() => index.cursor(...args)),
    indexedThrough: (...args) => carry(() => index.indexedThrough(...args)),
    search: (...args) => carry(() => index.search(...args)),
    eraseConversation: (...args) => carry(() => index.eraseConversation(...args)),
    eraseSender: (...args) => carry(() => index.eraseSender(...args)),
    purge: () => carry(() => index.purge()),
    beginRebuild: () => carry(() => index.beginRebuild()),
    finishRebuild: () => carry(() => index.finishRebuild()),
    abandonRebuild: () => carry(() => index.abandonRebuild()),
    health: () => carry(() => index.health()),
    stats: () => carry(() => index.stats()),
    close: () => index.close(),
  };
}
