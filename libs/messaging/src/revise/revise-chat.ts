import { err, type ConversationId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, type Changed, type Edit, type Pin, type React, type Recall, type Unpin } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import { answered } from '../answered.ts';
import type { KeyedEdit, Principal, ReviseService } from '../chat-service.ts';
import type { Change } from '../conversation/commands.ts';
import { isInMemory, type AckContent, type Answered, type Asking } from './asking.ts';
import type { CurrentReads } from './current.ts';
import { editHistory } from './edit-history.ts';
import type { TargetFacts } from './revision.ts';
import { targetFacts } from './target-facts.ts';

const inLobby = frameError(
  'forbidden',
  'a lobby keeps its messages as they are: promote it to a group to edit, recall, delete or pin some',
);

/** Changes of messages that are there, over the actors. What is stored of the message is looked up first. */
export function reviseOver(calls: ActorCalls, reads: CurrentReads, asking: Asking): ReviseService {
  const look =
    (conversation: ConversationId, user: UserId | null, seq: SequenceId, gen?: Generation) =>
    async (): Promise<Answered<TargetFacts>> =>
      (await isInMemory(calls, conversation)) ? err(inLobby) : targetFacts(calls, reads, conversation, user, seq, gen);

  const revise = (
    by: Principal,
    asked: Omit<Edit | Recall | React, 't' | 'id'>,
    change: Change,
    answer: (outcome: Answered<AckContent>) => void,
  ): void => {
    const { conversation, seq, gen, n, after, sentAt } = asked;
    const numbered = { n, after: after ?? n - 1, sentAt };
    asking.numbered(
      by,
      conversation,
      look(conversation, by.user, seq, gen),
      (facts) => ({ t: 'revise', by, numbered, change, facts }),
      answer,
    );
  };

  const reviseKeyed = (
    { conversation, seq, ...keyed }: Omit<KeyedEdit, 'body'>,
    change: Change,
  ): Promise<Answered<AckContent>> =>
    asking.looked<TargetFacts, AckContent>(look(conversation, keyed.from, seq), (facts) =>
      calls.conversation(conversation, { t: 'reviseKeyed', ...keyed, change, facts }),
    );

  const pin = (
    by: Principal | null,
    { conversation, seq, gen }: Omit<Pin | Unpin, 't' | 'id'>,
    isOn: boolean,
  ): Promise<Answered<Omit<Changed, 't' | 'id'>>> => {
    const user = by?.user ?? null;
    return asking.looked<TargetFacts, Omit<Changed, 't' | 'id'>>(look(conversation, user, seq, gen), (facts) =>
      calls.conversation(conversation, { t: 'pin', by: user, isOn, facts }),
    );
  };

  return {
    edit: (by, { body, ...asked }, answer) => {
      revise(by, asked, { op: 'edit', body }, answer);
    },
    react: (by, { emoji, on, ...asked }, answer) => {
      revise(by, asked, { op: 'react', emoji, isOn: on }, answer);
    },
    recall: (by, { reason, ...asked }, answer) => {
      revise(by, asked, { op: 'recall', ...(reason === undefined ? {} : { reason }) }, answer);
    },
    delete: (by, { conversation, seq, gen }) =>
      asking.looked<TargetFacts, null>(look(conversation, by.user, seq, gen), (facts) =>
        calls.conversation(conversation, { t: 'deleteFor', user: by.user, facts }),
      ),
    pin: (by, at) => pin(by, at, true),
    unpin: (by, at) => pin(by, at, false),
    editFor: ({ body, ...keyed }) => reviseKeyed(keyed, { op: 'edit', body }),
    reactFor: ({ emoji, on, ...keyed }) => reviseKeyed(keyed, { op: 'react', emoji, isOn: on }),
    editHistory: (query) => answered(() => editHistory(calls, reads, query)),
    recallFor: (conversation, seq, reason) =>
      asking.looked<TargetFacts, Omit<Changed, 't' | 'id'>>(look(conversation, null, seq), (facts) =>
        calls.conversation(conversation, { t: 'recallFor', facts, ...(reason === undefined ? {} : { reason }) }),
      ),
  };
}
