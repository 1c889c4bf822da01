import { invariant } from '@millrace/kernel';
import type { ConversationFacts } from '../effects.ts';
import type { ConversationMeta, ConversationState } from './conversation-state.ts';

const known = new WeakMap<ConversationMeta, ConversationFacts>();

/** The facts of a conversation that exists: the same object for as long as they do not change. */
export function factsOf(state: ConversationState): ConversationFacts {
  const meta = state.meta.value;
  invariant(meta !== null, 'only a conversation that was created has facts');
  let facts = known.get(meta);
  if (facts === undefined) {
    facts = { conversation: state.id, kind: meta.kind, title: meta.title };
    known.set(meta, facts);
  }
  return facts;
}
