import type { NodeId } from '@millrace/kernel';
import type { Coordinator, Membership } from '@millrace/partition';
import type { TimelineReader } from '@millrace/timeline';
import type { Live } from '../live/live.ts';
import type { Devices } from './devices.ts';
import type { Handoffs } from './handoffs.ts';
import type { Interest } from './interest.ts';
import type { News } from './news.ts';
import type { NodeNote } from './node-messages.ts';

/** Hands what another node told to whom it concerns. */
export function takeNote(
  from: NodeId,
  note: NodeNote,
  to: {
    readonly membership: Pick<Membership, 'offer'>;
    readonly coordinator: Pick<Coordinator, 'membersChanged'> | null;
    readonly handoffs: Pick<Handoffs, 'released'>;
    readonly devices: Pick<Devices, 'heard'>;
    readonly interest: Pick<Interest, 'remove'>;
    readonly news: Pick<News, 'heard'>;
    readonly live: Pick<Live, 'heard'>;
    readonly timelines: Pick<TimelineReader, 'forget'>;
  },
): void {
  switch (note.n) {
    case 'view':
      to.membership.offer(note.view);
      return;
    case 'poke':
      to.coordinator?.membersChanged();
      return;
    case 'erased':
      to.timelines.forget?.(note.conversation);
      return;
    case 'released':
      to.handoffs.released(note.partition);
      return;
    case 'connected':
    case 'replaced':
      to.devices.heard(from, note);
      return;
    case 'detach':
      to.interest.remove(note.user, from);
      return;
    case 'live':
    case 'over':
    case 'again':
    case 'unwatch':
    case 'away':
      to.live.heard(from, note);
      return;
    case 'push':
    case 'broken':
    case 'relay':
    case 'tell':
      to.news.heard(note);
      return;
    default:
    // Of a node that runs a later version: it does without, as it must with every node before its own.
  }
}
