import { err, ok, type UserId } from '@millrace/kernel';
import { frameError, type ScheduledMessage } from '@millrace/protocol';
import type { BackendChat } from '../ports.ts';

/** Scheduled messages for the tests of the HTTP API: none of them is ever sent. A conversation `none` is not there. */
export class MemoryScheduled {
  readonly #of = new Map<UserId, Map<string, ScheduledMessage>>();

  schedule: BackendChat['schedule'] = async (user, message) => {
    if (message.conversation === 'none') return err(frameError('not_found', 'there is no conversation none'));
    const kept: ScheduledMessage = { ...message, state: 'open' };
    this.#of.set(user, new Map([...(this.#of.get(user) ?? []), [message.key, kept]]));
    return ok({ messages: [kept], next: null });
  };

  unschedule: BackendChat['unschedule'] = async (user, { key }) => {
    this.#of.get(user)?.delete(key);
    return ok(null);
  };

  scheduled: BackendChat['scheduled'] = async (user, { limit = 20 }) => {
    const all = [...(this.#of.get(user)?.values() ?? [])];
    return ok({ messages: all.slice(0, limit), next: all.length > limit ? 'more' : null });
  };
}
