import { isLobbyId, ok } from '@millrace/kernel';
import { z } from 'zod';
import { conversationId, read } from './input.ts';
import { answered, type Operation } from './operation.ts';
import type { BackendChat } from './ports.ts';

const atConversation = z.object({ conversation: conversationId });

/** What becomes of lobbies, for a backend: as their owner would, without being in them. */
export function lobbyOperations(chat: BackendChat): readonly Operation[] {
  return [
    {
      id: 'promoteLobby',
      method: 'POST',
      path: '/api/v1/conversations/:conversation/promotion',
      access: 'write',
      async run({ params }) {
        const at = read(atConversation, params);
        return at.ok ? answered(await chat.promote(null, at.value)) : at;
      },
    },
    {
      id: 'dissolveLobby',
      method: 'DELETE',
      path: '/api/v1/conversations/:conversation',
      access: 'write',
      async run({ params }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const { conversation } = at.value;
        const outcome = await chat.dissolve(null, at.value);
        // One that is gone is over, whoever ended it: a retry after a lost answer finds it so.
        const isGone = !outcome.ok && outcome.error.code === 'not_found' && isLobbyId(conversation);
        return outcome.ok || isGone ? ok({ status: 200, body: { conversation, dissolved: true } }) : outcome;
      },
    },
  ];
}
