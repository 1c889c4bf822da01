import { err, ok } from '@millrace/kernel';
import type { TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ClusterSessions } from '../cluster/cluster-sessions.ts';
import type { NodeNote } from '../cluster/node-messages.ts';
import type { ErasingNode } from './erasures.ts';

/** @param tellAll - tells all other nodes. */
export const erasingOn = (
  calls: ActorCalls,
  { timelines }: { readonly timelines: Pick<TimelineReader, 'forget'> },
  sessions: Pick<ClusterSessions, 'close'>,
  tellAll: (note: NodeNote) => void,
): ErasingNode => ({
  calls,
  erased: (conversation) => {
    timelines.forget?.(conversation);
    tellAll({ n: 'erased', conversation });
  },
  closeSessions: async (user) => {
    const closed = await sessions.close(user, null);
    if (!closed.ok) return err(`sessions may be open yet: ${closed.error.message}`);
    const { missing } = closed.value;
    return missing.length === 0 ? ok(closed.value.closed) : err(`sessions may be open yet on ${missing.join(', ')}`);
  },
});
