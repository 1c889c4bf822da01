import { z } from 'zod';
import { conversationId, read } from './input.ts';
import { answered, type Operation } from './operation.ts';
import type { ChainControl } from './ports.ts';

const atConversation = z.object({ conversation: conversationId });
const pageAt = z.strictObject({ cursor: z.string().min(1).max(64).optional() });

/** Whether what is stored is what was archived, for an operator. */
export function chainOperations(chains: ChainControl): readonly Operation[] {
  return [
    {
      id: 'checkChain',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/chain',
      access: 'admin',
      async run({ params, query }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const page = read(pageAt, query);
        if (!page.ok) return page;
        return answered(await chains.check(at.value.conversation, page.value.cursor ?? null));
      },
    },
  ];
}
