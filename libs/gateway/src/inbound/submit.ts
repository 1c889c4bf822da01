import type { Result } from '@millrace/kernel';
import type { ChatService } from '@millrace/messaging';
import { frameError, type ClientFrame, type FrameError, type ServerFrame, type WireEntry } from '@millrace/protocol';
import type { Session } from '../outbound/session.ts';

/** A frame of a connected session, other than those that concern the session itself. */
export type ChatFrame = Exclude<ClientFrame, { readonly t: 'connect' | 'refresh' }>;

export interface SubmitParts {
  readonly chat: ChatService;
  readonly nowMs: () => number;
  readonly requestsInFlightMax: number;
  /** A bug of ours; the request is answered `internal`. */
  readonly onDefect: (error: unknown) => void;
}

/** Asks the chat as the session's user (I11) and answers when it has answered. */
export function submit(parts: SubmitParts, session: Session, frame: ChatFrame): void {
  if (frame.t === 'typing') {
    parts.chat.typing(session.principal, frame);
    return;
  }
  if (frame.t === 'ping') {
    session.answer({ t: 'pong', id: frame.id, serverTime: parts.nowMs() });
    return;
  }
  if (session.inFlight >= parts.requestsInFlightMax) {
    const message = `at most ${String(parts.requestsInFlightMax)} requests may be unanswered`;
    session.refuse(frame.id, frameError('overloaded', message));
    return;
  }
  session.inFlight += 1;
  if (frame.t === 'send') {
    const { id } = frame;
    parts.chat.publish(session.principal, frame, (outcome) => {
      session.inFlight -= 1;
      if (outcome.ok) session.answer({ t: 'ack', id, ...outcome.value });
      else session.refuse(id, outcome.error);
    });
    return;
  }
  ask(parts.chat, session, frame).then(
    (outcome) => {
      session.inFlight -= 1;
      if (!outcome.ok) {
        session.refuse(frame.id, outcome.error);
        return;
      }
      session.answer(outcome.value);
      if (outcome.value.t === 'synced' && !outcome.value.hasMore) session.synced(outcome.value.inbox);
    },
    (error: unknown) => {
      session.inFlight -= 1;
      parts.onDefect(error);
      session.refuse(frame.id, frameError('internal', 'this hit a defect of the server'));
    },
  );
}

type Asked = Exclude<ChatFrame, { readonly t: 'send' | 'typing' | 'ping' }>;
type Answered = Promise<Result<ServerFrame<WireEntry>, FrameError>>;

/** Makes an answer's content a frame. */
async function as<T extends ServerFrame<WireEntry>['t'], Content>(
  t: T,
  id: number,
  answer: Promise<Result<Content, FrameError>>,
): Answered {
  const outcome = await answer;
  return outcome.ok ? { ok: true, value: { t, id, ...outcome.value } as unknown as ServerFrame<WireEntry> } : outcome;
}

function ask(chat: ChatService, { principal }: Session, frame: Asked): Answered {
  const { id } = frame;
  switch (frame.t) {
    case 'sync':
      return as('synced', id, chat.sync(principal, frame));
    case 'history':
      return as('page', id, chat.history(principal, frame));
    case 'conversations':
      return as('conversations', id, chat.conversations(principal, frame));
    case 'members':
      return as('members', id, chat.members(principal, frame));
    case 'create':
      return as('created', id, chat.create(principal, frame));
    case 'join':
      return as('changed', id, chat.join(principal, frame));
    case 'leave':
      return as('changed', id, chat.leave(principal, frame));
    case 'invite':
      return as('changed', id, chat.invite(principal, frame));
    case 'kick':
      return as('changed', id, chat.kick(principal, frame));
    case 'role':
      return as('changed', id, chat.setRole(principal, frame));
    case 'read':
      return as('read', id, chat.read(principal, frame));
    case 'delivered':
      return as('ok', id, chat.delivered(principal, frame));
  }
}
