import { sequenceId, type SequenceId } from '@millrace/kernel';
import {
  goneBehind,
  goneOf,
  joinGone,
  mentionsBehind,
  noGone,
  withMentions,
  type ConversationSummary,
  type UnreadInputs,
} from '@millrace/protocol';
import {
  anchor,
  dropTail,
  ownInTail,
  regress,
  releaseContiguous,
  type ConversationState,
  type StepTools,
} from './conversation-state.ts';
import { comparePositions } from './position.ts';

type ReadInputs = Omit<UnreadInputs, 'msgNo' | 'unread'>;

/**
 * Takes over a read position that is past the device's own one. `own` is counted from the tail where it reaches back
 * far enough: the server's count may not know yet of a message of this device that is acknowledged.
 */
export function applyRead(
  state: ConversationState,
  read: ReadInputs,
  { context, changes, effects }: StepTools,
): boolean {
  if (read.readSeq <= state.readSeq) return false;
  state.readSeq = read.readSeq;
  state.readMsgNo = read.readMsgNo;
  state.mentions = mentionsBehind(state.mentions, read.readSeq);
  state.gone = goneBehind(joinGone(goneOf(read), state.gone), read.readSeq);
  state.own = read.readSeq >= state.applied.seq ? 0 : (ownInTail(state, context.user) ?? read.own);
  changes.conversation(state.conversation);
  effects.push({ do: 'changed', conversation: state.conversation });
  return true;
}

/**
 * What a summary says beside positions and counts. Whether the user is in, and how it is diffused, is taken from a summary of
 * the very position that the device is at. An older one knows less; of a newer one the entries that make it so are still to
 * come, and up to there nothing that is pulled may be passed over. Being in, or pulled, too early costs no more than a sync.
 */
function describe(state: ConversationState, summary: ConversationSummary): void {
  const order = state.anchored ? comparePositions(summary, state.applied) : 0;
  if (order === 0) {
    describeWhole(state, summary);
    return;
  }
  const member = state.member || (order > 0 && summary.member);
  const mayBePulled = member && summary.diffusion === 'read' && (order > 0 || !state.described);
  describeWhole(state, { ...summary, member, diffusion: mayBePulled ? 'read' : state.diffusion });
}

function describeWhole(state: ConversationState, summary: ConversationSummary): void {
  state.member = summary.member;
  state.diffusion = summary.diffusion;
  state.kind = summary.kind;
  state.title = summary.title;
  state.peer = summary.peer;
  state.lastAt = Math.max(state.lastAt, summary.lastAt);
  state.described = true;
}

/**
 * What the server says mentions this user, and what is gone, and what came behind that. Of an older generation it may have
 * told what is lost.
 */
function takeConcern(state: ConversationState, summary: ConversationSummary): void {
  const { gen, seq, mentions = [] } = summary;
  if (gen < state.applied.gen) return;
  state.gone = goneBehind(joinGone(goneOf(summary), state.gone), state.readSeq);
  const later = state.mentions.filter((each) => each > seq);
  state.mentions = mentionsBehind(withMentions(mentions, later), state.readSeq);
}

/** Counts of the server, where it speaks of the very position that the device is at. */
function agree(state: ConversationState, summary: ConversationSummary): void {
  const { gen, seq } = state.applied;
  if (summary.gen !== gen || summary.seq !== seq || summary.readSeq !== state.readSeq) return;
  state.msgNo = summary.msgNo;
  state.readMsgNo = summary.readMsgNo;
  state.own = summary.own;
  state.gone = goneOf(summary);
}

/** From a list that was asked for: it moves no position, messages do. */
export function applyDescription(state: ConversationState, summary: ConversationSummary, tools: StepTools): void {
  describe(state, summary);
  applyRead(state, summary, tools);
  takeConcern(state, summary);
  agree(state, summary);
  tools.changes.conversation(state.conversation);
  tools.effects.push({ do: 'changed', conversation: state.conversation });
}

/** The summary of a delta, before its messages. */
export function beginDelta(
  state: ConversationState,
  summary: ConversationSummary,
  hasMessages: boolean,
  tools: StepTools,
): void {
  if (!state.anchored && !hasMessages) jumpTo(state, summary, tools);
  const { readSeq } = state;
  describe(state, summary);
  if (!state.anchored) {
    state.readSeq = summary.readSeq;
    state.readMsgNo = summary.readMsgNo;
  } else if (summary.readSeq > readSeq) applyRead(state, summary, tools);
  takeConcern(state, summary);
  tools.changes.conversation(state.conversation);
  tools.effects.push({ do: 'changed', conversation: state.conversation });
}

/** The summary of a delta, after its messages. */
export function endDelta(state: ConversationState, summary: ConversationSummary): void {
  agree(state, summary);
  // The entry of a join does not say what it is a join to.
  if (comparePositions(state.applied, summary) === 0) describe(state, summary);
}

/** The summary of a snapshot: what lies between the device's position and this one is not delivered. */
export function applySnapshot(state: ConversationState, summary: ConversationSummary, tools: StepTools): void {
  const { conversation, applied, anchored } = state;
  const behind = summary.gen > applied.gen || (summary.gen === applied.gen && summary.seq > applied.seq);
  if (anchored && !behind) {
    describe(state, summary);
    applyRead(state, summary, tools);
    agree(state, summary);
    doubt(state, summary, tools);
  } else {
    describeWhole(state, summary);
    jumpTo(state, summary, tools);
    if (anchored && summary.gen === applied.gen) {
      tools.effects.push({ do: 'gap', conversation, gen: summary.gen, after: applied.seq, to: summary.seq });
    } else if (anchored) {
      const to = { gen: summary.gen, seq: summary.seq };
      tools.effects.push({ do: 'probe', conversation, position: applied, to });
    }
  }
  takeConcern(state, summary);
  tools.changes.conversation(conversation);
  tools.effects.push({ do: 'changed', conversation });
}

/** The device is ahead of the snapshot: by what it was told since, as a rule. Or the server has lost that. */
function doubt(state: ConversationState, summary: ConversationSummary, { effects }: StepTools): void {
  const { conversation, applied, readSeq } = state;
  if (comparePositions(applied, summary) > 0) {
    effects.push({ do: 'verify', conversation, position: applied, summary });
  } else if (readSeq > summary.readSeq) effects.push({ do: 'readAgain', conversation, seq: readSeq });
}

/** The server has lost what came after `survivedTo`, and its snapshot said what is left. */
export function applyLoss(
  state: ConversationState,
  survivedTo: SequenceId,
  summary: ConversationSummary,
  tools: StepTools,
): void {
  const { gen } = state.applied;
  state.held = state.held.filter((message) => message.gen !== gen || message.seq <= survivedTo);
  regress(state, survivedTo, tools);
  if (summary.seq === survivedTo) state.applied = { gen: summary.gen, seq: summary.seq };
  if (state.readSeq > summary.readSeq) state.readSeq = summary.readSeq;
  state.lastAt = summary.lastAt;
  applySnapshot(state, summary, tools);
}

function jumpTo(state: ConversationState, summary: ConversationSummary, tools: StepTools): void {
  dropTail(state, sequenceId(0), tools);
  const read = state.readSeq > summary.readSeq && state.readSeq <= summary.seq && summary.gen === state.applied.gen;
  anchor(state, { gen: summary.gen, seq: summary.seq });
  state.gone = noGone;
  state.msgNo = summary.msgNo;
  if (read) state.own = state.readSeq >= summary.seq ? 0 : Math.min(state.own, summary.own);
  else {
    state.readSeq = summary.readSeq;
    state.readMsgNo = summary.readMsgNo;
    state.own = summary.own;
  }
  state.held = state.held.filter((message) => message.gen === summary.gen && message.seq > summary.seq);
  releaseContiguous(state, tools);
  if (state.held.length > 0) tools.effects.push({ do: 'fill', conversation: state.conversation });
}
