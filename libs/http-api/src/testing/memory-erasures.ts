import { err, ok, type ConversationId, type UserId } from '@millrace/kernel';
import type { ErasureReport } from '@millrace/messaging';
import { frameError } from '@millrace/protocol';
import type { DataErasure } from '../ports.ts';

/** Erasures for the tests of the HTTP API: each is done when it is asked for. A conversation `none` is not there. */
export class MemoryErasures implements DataErasure {
  readonly #reports = new Map<UserId, ErasureReport>();

  eraseUser: DataErasure['eraseUser'] = (user) => {
    const report: ErasureReport = {
      ...{ user, state: 'done', startedAt: 1, endedAt: 2, looked: 3, conversations: 2, entries: 7, reactions: 1 },
      ...{ found: null, sessions: 0, left: [{ conversation: 'a!b' as ConversationId, why: 'the membership stays' }] },
    };
    this.#reports.set(user, report);
    return Promise.resolve(ok({ ...report, state: 'running' as const, endedAt: null }));
  };

  report: DataErasure['report'] = (user) => {
    const report = this.#reports.get(user);
    return Promise.resolve(report === undefined ? err(frameError('not_found', 'nothing was erased')) : ok(report));
  };

  eraseConversation: DataErasure['eraseConversation'] = (conversation) =>
    Promise.resolve(
      conversation === 'none' ? err(frameError('not_found', 'there is no such conversation')) : ok({ left: [] }),
    );
}
