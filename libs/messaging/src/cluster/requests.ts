import { ok, type NodeId, type PartitionId } from '@millrace/kernel';
import { userKey } from '@millrace/timeline';
import type { Live } from '../live/live.ts';
import type { Devices } from './devices.ts';
import type { Heads } from './heads.ts';
import type { Interest } from './interest.ts';
import type { Losses } from './losses.ts';
import type { ActorRequest, NodeAnswer, NodeRequest } from './node-messages.ts';
import type { PartitionHost } from './partition-host.ts';
import { answerQuestion, type Asked } from './questions.ts';
import type { Router } from './router.ts';

/** Hands what another node asked to whom it concerns. `answer` is called once, at once or later. */
export function takeRequest(
  from: NodeId,
  request: NodeRequest,
  answer: (outcome: NodeAnswer) => void,
  to: Asked & {
    readonly router: Pick<Router, 'partitionOf'>;
    readonly live: Pick<Live, 'requested'>;
    readonly heads: Pick<Heads, 'here'>;
    readonly local: (
      from: NodeId,
      partition: PartitionId,
      request: ActorRequest,
      answer: (outcome: NodeAnswer) => void,
    ) => void;
  },
): void {
  switch (request.q) {
    case 'command':
      to.local(from, to.router.partitionOf(request.key), request, answer);
      return;
    case 'attach':
      to.local(from, to.router.partitionOf(userKey(request.user)), request, answer);
      return;
    case 'watch':
      to.live.requested(from, request, answer);
      return;
    case 'heads':
      void to.heads.here(request.user, request.conversations).then((heads) => {
        answer(ok(heads));
      });
      return;
    default:
      answer(answerQuestion(request, to));
  }
}

/** Hands a request for an actor to the partition where it lives; `not_owner` when that is not here. */
export function takeActorRequest(
  from: NodeId,
  partition: PartitionId,
  request: ActorRequest,
  answer: (outcome: NodeAnswer) => void,
  to: {
    readonly self: NodeId;
    readonly host: Pick<PartitionHost, 'post' | 'has' | 'inboxHead'>;
    readonly interest: Pick<Interest, 'add'>;
    readonly devices: Pick<Devices, 'arrival'>;
    readonly losses: Pick<Losses, 'attached'>;
  },
): void {
  const { host } = to;
  if (request.q === 'command') {
    host.post(partition, request.key, request.command, answer, request.priority);
    return;
  }
  // Before the inbox is asked where it stands: whatever comes behind the answer is told.
  if (from !== to.self && host.has(partition)) to.interest.add(request.user, from);
  host.inboxHead(partition, request.user, to.devices.arrival(), answer);
  if (host.has(partition)) to.losses.attached(request.user);
}
