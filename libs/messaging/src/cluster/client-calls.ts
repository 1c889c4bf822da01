import { err, type Timers } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import type { Router } from './router.ts';

/** As the router's, but a node that stops takes nothing new from clients. */
export function clientCalls(router: Router, timers: Timers, isStopping: () => boolean): ActorCalls {
  const refusal = err(frameError('draining', 'this node is stopping; reconnect'));
  return {
    post: (key, command, answer, priority) => {
      if (isStopping() && priority === 'client') {
        timers.soon(() => {
          answer(refusal);
        });
      } else router.post(key, command, answer, priority);
    },
    partitionOf: (key) => router.partitionOf(key),
    conversation: (id, command) => (isStopping() ? Promise.resolve(refusal) : router.conversation(id, command)),
    user: (id, command) => (isStopping() ? Promise.resolve(refusal) : router.user(id, command)),
  };
}
