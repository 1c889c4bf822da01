import type { ConversationMeta } from './conversation-state.ts';

/**
 * The same, as one literal. What begins with a spread has a shape of its own in the engine each time (V8 of Node 20), and
 * what is looked at for each message is slow to read then, where many conversations meet.
 */
export function metaOf(given: ConversationMeta): ConversationMeta {
  const { kind, title, joinPolicy, historyPolicy, createdBy, createdAt, ...others } = given;
  const { muted, slowModeMs, mentionAllBy, pinBy, ...more } = others;
  return {
    kind,
    title,
    joinPolicy,
    historyPolicy,
    createdBy,
    createdAt,
    muted,
    slowModeMs,
    mentionAllBy,
    pinBy,
    ...more,
  };
}
