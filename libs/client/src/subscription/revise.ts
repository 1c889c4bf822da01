import { sequenceId, type SequenceId, type UserId } from '@millrace/kernel';
import { fromBase64, withGone, withReaction, withReply, type Deleted, type Message } from '@millrace/protocol';
import type { ConversationState, StepTools } from './conversation-state.ts';

/*
 * What becomes of messages that are here already. A message says by its `rev` up to which entry it is what that made of
 * it: an entry up to there changes nothing more, so that it comes to the same in whatever order the two are heard of.
 */

interface Revising {
  readonly control?: unknown;
  readonly seq?: unknown;
  readonly author?: unknown;
  readonly upTo?: unknown;
  readonly body?: unknown;
  readonly bodyBase64?: unknown;
  readonly reason?: unknown;
  readonly emoji?: unknown;
  readonly on?: unknown;
}

/** An entry that was just delivered and changes a message. */
export function applyRevision(
  state: ConversationState,
  entry: Message,
  control: Revising,
  user: UserId,
  tools: StepTools,
): void {
  if (control.control === 'erased') applyErased(state, control, tools);
  if (control.control === 'expired') applyExpired(state, control, tools);
  const { seq } = control;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq)) return;
  const target = sequenceId(seq);
  if (control.control === 'edited') {
    const body = bodyOf(control);
    if (body === null) doubt(state, target, entry.seq, tools);
    else {
      settleDoubt(state, target);
      revise(state, target, entry.seq, (message) => ({ ...message, body, editedAt: entry.at }), tools);
    }
  }
  if (control.control === 'reacted') applyReaction(state, target, entry, control, tools);
  if (control.control !== 'recalled') return;
  const recalled = { by: entry.from, at: entry.at };
  settleDoubt(state, target);
  revise(state, target, entry.seq, (message) => ({ ...withoutBody(message), recalled }), tools);
  if (control.author !== user && target > state.readSeq) state.gone = withGone(state.gone, [target]);
}

function applyReaction(
  state: ConversationState,
  target: SequenceId,
  { from, seq }: Message,
  { emoji, on }: Revising,
  tools: StepTools,
): void {
  if (typeof emoji !== 'string' || typeof on !== 'boolean' || from === null) return;
  const change = (message: Message): Message => {
    const { reactions: before = [], ...rest } = message;
    const reactions = withReaction(before, from, emoji, on);
    return reactions.length === 0 ? rest : { ...rest, reactions };
  };
  revise(state, target, seq, change, tools);
}

/** A message that was just delivered stands in a thread: its first message shows how many do, also when it was recalled. */
export function applyReply(
  state: ConversationState,
  { seq, thread }: Pick<Message, 'seq' | 'thread'>,
  tools: StepTools,
): void {
  if (thread === undefined) return;
  const { conversation } = state;
  const message = replace(state, thread, tools, (known) =>
    (known.rev ?? 0) >= seq || known.deleted === true
      ? null
      : { ...known, replies: withReply(known.replies, seq), rev: seq },
  );
  if (message !== 'known') tools.effects.push({ do: 'revised', conversation, seq: thread, message });
}

function bodyOf({ body, bodyBase64 }: Revising): string | Uint8Array | null {
  if (typeof body === 'string') return body;
  if (typeof bodyBase64 !== 'string') return null;
  const bytes = fromBase64(bodyBase64);
  return bytes.ok ? bytes.value : null;
}

/**
 * The message was edited again, or recalled: mostly that comes. If that happened when this user was no member any more it
 * does not, and the message is read again.
 */
function doubt(state: ConversationState, seq: SequenceId, rev: SequenceId, { changes, effects }: StepTools): void {
  const { conversation } = state;
  const known = state.tail.find((message) => message.seq === seq);
  if (known === undefined) {
    effects.push({ do: 'revised', conversation, seq, message: null });
    return;
  }
  if ((known.rev ?? 0) >= rev || known.recalled !== undefined || known.deleted === true) return;
  if (!state.doubted.includes(seq)) state.doubted = [...state.doubted, seq];
  changes.conversation(conversation);
  effects.push({ do: 'reread', conversation });
}

function settleDoubt(state: ConversationState, seq: SequenceId): void {
  if (state.doubted.length > 0) state.doubted = state.doubted.filter((each) => each !== seq);
}

/** A message that was in doubt was read again, or is not to be seen any more. */
export function applyReread(
  state: ConversationState,
  { seq, message }: { readonly seq: SequenceId; readonly message: Message | null },
  tools: StepTools,
): void {
  const { conversation } = state;
  // Something settled it meanwhile, which may be newer than what was read.
  if (!state.doubted.includes(seq)) return;
  settleDoubt(state, seq);
  tools.changes.conversation(conversation);
  if (message === null) return;
  const isOlder = (known: Message): boolean => known.deleted === true || (known.rev ?? 0) > (message.rev ?? 0);
  const after = replace(state, seq, tools, (known) =>
    known.gen !== message.gen || (isOlder(known) && message.recalled === undefined) ? null : message,
  );
  if (after !== 'known') tools.effects.push({ do: 'revised', conversation, seq, message: after });
}

/** Nothing of what it said. */
function withoutBody(message: Message): Message {
  const { mentions: _mentions, mentionAll: _mentionAll, editedAt: _at, reactions: _reactions, ...rest } = message;
  return { ...rest, body: '' };
}

function revise(
  state: ConversationState,
  seq: SequenceId,
  rev: SequenceId,
  change: (message: Message) => Message,
  tools: StepTools,
): void {
  const { conversation } = state;
  const message = replace(state, seq, tools, (known) =>
    (known.rev ?? 0) >= rev || known.recalled !== undefined || known.deleted === true || known.erased === true
      ? null
      : { ...change(known), rev },
  );
  if (message !== 'known') tools.effects.push({ do: 'revised', conversation, seq, message });
}

/** Puts another message in the place of one that is kept here. @returns null for one that is not, `known` for no change. */
function replace(
  state: ConversationState,
  seq: SequenceId,
  { changes }: StepTools,
  change: (message: Message) => Message | null,
): Message | null | 'known' {
  const index = state.tail.findIndex((message) => message.seq === seq);
  const before = state.tail[index];
  if (before === undefined) return null;
  const after = change(before);
  if (after === null) return 'known';
  state.tail[index] = after;
  changes.cached(state.conversation, after);
  return after;
}

/** All that a user has sent up to there is erased: what is kept of it here, too. */
function applyErased(state: ConversationState, { author, upTo }: Revising, tools: StepTools): void {
  if (typeof author !== 'string' || typeof upTo !== 'number') return;
  const { conversation } = state;
  for (const { seq } of [...state.tail]) {
    const message = replace(state, seq, tools, (known) => erasedOf(known, author as UserId, upTo));
    if (message !== 'known') tools.effects.push({ do: 'revised', conversation, seq, message });
  }
}

/** What stands up to there has disappeared: nothing of what it said is kept here. */
function applyExpired(state: ConversationState, { upTo }: Revising, tools: StepTools): void {
  if (typeof upTo !== 'number') return;
  const { conversation } = state;
  for (const { seq } of [...state.tail]) {
    const message = replace(state, seq, tools, (known) =>
      known.seq > upTo || known.erased === true || known.type === 'control' || known.type === 'void'
        ? null
        : emptied(known),
    );
    if (message !== 'known') tools.effects.push({ do: 'revised', conversation, seq, message });
  }
}

function emptied(known: Message): Message {
  const { forwardedFrom: _forwarded, ...rest } = withoutBody(known);
  return { ...rest, deviceTag: 0, n: 0, sentAt: 0, erased: true };
}

/** What is left of a message or an entry; null when nothing of it is erased. */
function erasedOf(known: Message, author: UserId, upTo: number): Message | null {
  if (known.from !== author) return withoutReactionsOf(known, author);
  if (known.seq > upTo || known.erased === true || known.type === 'void') return null;
  const left = emptied(known);
  if (known.type !== 'control') return left;
  const control = JSON.parse(String(known.body)) as Revising;
  if (control.control === 'reacted') return { ...left, type: 'void' };
  if (control.control === 'recalled' && control.reason !== undefined) {
    const { seq, author: of } = control;
    return { ...left, body: JSON.stringify({ control: 'recalled', seq, author: of }) };
  }
  if (control.control !== 'edited') return null;
  return { ...left, body: JSON.stringify({ control: 'edited', seq: control.seq }) };
}

function withoutReactionsOf(known: Message, user: UserId): Message | null {
  const { reactions: before = [], ...rest } = known;
  const theirs = before.filter(({ users }) => users.includes(user));
  if (theirs.length === 0) return null;
  const reactions = theirs.reduce((all, { emoji }) => withReaction(all, user, emoji, false), before);
  return reactions.length === 0 ? rest : { ...rest, reactions };
}

/** This user has deleted a message for themselves, here or on another device. */
export function applyDeleted(state: ConversationState, { seq, counted }: Deleted, tools: StepTools): void {
  const { conversation } = state;
  if (counted && seq > state.readSeq) state.gone = withGone(state.gone, [seq]);
  const message = replace(state, seq, tools, (known) =>
    known.deleted === true ? null : { ...withoutBody(known), deleted: true },
  );
  tools.changes.conversation(conversation);
  if (message !== 'known') tools.effects.push({ do: 'revised', conversation, seq, message });
  tools.effects.push({ do: 'changed', conversation });
}
