import { err, ok } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { AnyReply } from '../actor-calls.ts';
import type { MessageTrace } from '../trace/message-trace.ts';
import type { ClusterSessions } from './cluster-sessions.ts';
import type { NodeStatus } from './cluster-status.ts';
import type { Generations } from './generations.ts';
import type { NodeQuestion } from './node-messages.ts';
import type { Presence } from './presence.ts';

/** Of what a node may be asked, beside its partitions. */
export interface Asked {
  readonly status: () => NodeStatus;
  readonly sessions: Pick<ClusterSessions, 'tell'>;
  readonly trace: Pick<MessageTrace, 'tell'>;
  readonly generations: Pick<Generations, 'heard'>;
  readonly presence: Pick<Presence, 'answer'>;
}

/** What this node tells another one of itself, or of what is on it. */
export function answerQuestion(question: Exclude<NodeQuestion, { q: 'heads' }>, of: Asked): AnyReply {
  switch (question.q) {
    case 'status':
      return ok(of.status());
    case 'trace':
      return ok(of.trace.tell(question));
    case 'generations':
      return ok(of.generations.heard(question.news));
    case 'presence':
      return ok(of.presence.answer(question.users));
    case 'sessions':
    case 'close':
      return ok(of.sessions.tell(question));
    default:
      // Of a node that runs a later version.
      return err(frameError('unavailable', 'this node runs a version that does not know what it was asked'));
  }
}
