import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import {
  protocolLimits,
  type ConversationSummary,
  type Message,
  type Push,
  type PushItem,
  type Reached,
  type Synced,
} from '@millrace/protocol';
import {
  applyMessage,
  beginReading,
  newConversation,
  regress,
  releaseContiguous,
  releaseHeld,
  type ConversationState,
  type StepTools,
} from './conversation-state.ts';
import type { DeviceInput } from './device-input.ts';
import { once, type ChangeRecorder, type DeviceContext, type Effect } from './effects.ts';
import { applyHead, applyHint, applyLive } from './live.ts';
import { applyDeleted, applyReread } from './revise.ts';
import { applyDescription, applyLoss, applyRead, applySnapshot, beginDelta, endDelta } from './summaries.ts';
import { comparePositions, type Position } from './position.ts';

/** Pushes that wait for the end of a sync. Over this they are dropped, and the sync is done once more (I9). */
const KEPT_PUSHES_MAX = 1_000;
/** A snapshot may be cut by the server; one of this many conversations is completed from the list. */
const SNAPSHOT_COMPLETE = 500;
/** Held messages of one conversation; over this they are delivered over the hole (I9). */
const HELD_MAX = 5_000;

interface SyncRun {
  /** Conversations of the snapshot so far, when this sync is one. */
  snapshot: Set<ConversationId> | null;
  /** Something was missed that this sync may not bring. */
  again: boolean;
  kept: Push[];
  /** The push whose hole this sync is to fill: behind it no other is waited for. */
  forHole: Push | null;
}

/**
 * A device's view of its user's inbox and conversations.
 *
 * (D1) Everything in the inbox up to `inbox` was applied; `token` stands for `tokenAt`, which is never past it.
 * (D2) While `sync` runs, pushes are kept, not applied.
 * (D3) A message is delivered at most once: each conversation's deliveries only go up (C1).
 */
export interface DeviceState {
  inbox: Position;
  token: string | null;
  tokenAt: Position;
  /** The last answer had more behind it: a sync is due, whatever the position. */
  partial: boolean;
  sync: SyncRun | null;
  readonly conversations: Map<ConversationId, ConversationState>;
}

export function newDevice(): DeviceState {
  const nothing = { gen: generation(0), seq: sequenceId(0) };
  return { inbox: nothing, token: null, tokenAt: nothing, partial: false, sync: null, conversations: new Map() };
}

/** One device's decisions: no I/O, the same effects for the same inputs. */
export class Device {
  readonly state: DeviceState;
  readonly #context: DeviceContext;
  readonly #changes: ChangeRecorder;
  readonly #cachedMessages: number;
  /** Where conversations that are pulled stood when the last sync ended: the token knows it. */
  readonly #pulledTo = new Map<ConversationId, Position>();

  constructor(state: DeviceState, context: DeviceContext, changes: ChangeRecorder, cachedMessages: number) {
    this.state = state;
    this.#context = context;
    this.#changes = changes;
    this.#cachedMessages = cachedMessages;
  }

  step(input: DeviceInput): readonly Effect[] {
    const tools: StepTools = {
      context: this.#context,
      changes: this.#changes,
      cachedMessages: this.#cachedMessages,
      effects: [],
    };
    this.#decide(input, tools);
    return once(tools.effects);
  }

  #decide(input: DeviceInput, tools: StepTools): void {
    const { state } = this;
    switch (input.on) {
      case 'connected': {
        const { gen, seq } = state.inbox;
        state.sync = null;
        const there = gen === input.inbox.gen && seq === input.inbox.seq;
        // What is pulled the inbox tells nothing of.
        if (state.token !== null && there && !state.partial && !this.#mayPull) this.#live(tools);
        else this.#beginSync(tools);
        return;
      }
      case 'lost':
        state.sync = null;
        return;
      case 'push':
        this.#push(input.push, tools);
        return;
      case 'resync':
        this.#pull(tools);
        return;
      case 'live': {
        const conversation = state.conversations.get(input.live.conversation);
        // Else it is not known yet that it comes so: the inbox tells, and a sync brings it.
        if (conversation === undefined || !isPulled(conversation)) return;
        if (applyLive(conversation, input.live, tools)) this.#pull(tools);
        return;
      }
      case 'heads':
        this.#heads(input, tools);
        return;
      case 'synced':
        this.#synced(input.synced, tools);
        return;
      case 'syncRefused':
        state.token = null;
        this.#changes.sync();
        this.#beginSync(tools);
        return;
      case 'own': {
        const conversation = this.#conversation(input.conversation, input.message);
        applyMessage(conversation, input.message, 'own', tools);
        return;
      }
      case 'readDone': {
        const conversation = state.conversations.get(input.done.conversation);
        const { conversation: id, readSeq, readMsgNo, own } = input.done;
        if (conversation === undefined || !applyRead(conversation, input.done, tools)) return;
        tools.effects.push({ do: 'read', item: { conversation: id, read: { readSeq, readMsgNo, own } } });
        return;
      }
      case 'described':
        for (const summary of input.summaries) {
          const conversation = state.conversations.get(summary.conversation);
          if (conversation !== undefined) applyDescription(conversation, summary, tools);
          // It was joined while it is pulled, which only the list tells.
          if (conversation !== undefined && isBehind(conversation, summary)) this.#pull(tools);
        }
        return;
      case 'listed': {
        const listed = new Set(input.summaries.map(({ conversation }) => conversation));
        for (const summary of input.summaries) {
          const conversation = this.#conversation(summary.conversation, summary);
          if (conversation.anchored) applyDescription(conversation, summary, tools);
          else applySnapshot(conversation, summary, tools);
        }
        this.#removeOthers(listed, tools);
        return;
      }
      case 'probed':
        this.#probed(input, tools);
        return;
      case 'verified':
        this.#verified(input, tools);
        return;
      case 'page':
      case 'pageRegressed':
        this.#fill(input, tools);
        return;
      case 'reread': {
        const conversation = state.conversations.get(input.conversation);
        if (conversation !== undefined) applyReread(conversation, input, tools);
      }
    }
  }

  #fill(input: Extract<DeviceInput, { on: 'page' | 'pageRegressed' }>, tools: StepTools): void {
    const conversation = this.state.conversations.get(input.conversation);
    if (conversation === undefined || conversation.held.length === 0) return;
    if (input.on === 'pageRegressed') {
      regress(conversation, input.from, tools);
      return;
    }
    for (const message of input.messages) applyMessage(conversation, message, 'page', tools);
    releaseContiguous(conversation, tools);
    releaseHeld(conversation, input.completeTo, tools);
  }

  #verified(input: Extract<DeviceInput, { on: 'verified' }>, tools: StepTools): void {
    const { position, summary, survivedTo } = input;
    const conversation = this.state.conversations.get(input.conversation);
    if (conversation === undefined || survivedTo === null) return;
    const { applied } = conversation;
    // What came since stands on a newer generation, which has told already what was lost.
    if (applied.gen === position.gen && applied.seq >= position.seq)
      applyLoss(conversation, survivedTo, summary, tools);
  }

  #probed(input: Extract<DeviceInput, { on: 'probed' }>, { effects }: StepTools): void {
    const { conversation, position, to, survivedTo } = input;
    if (survivedTo !== null) effects.push({ do: 'regressed', conversation, gen: position.gen, from: survivedTo });
    const after = survivedTo ?? position.seq;
    if (to.seq > after) effects.push({ do: 'gap', conversation, gen: to.gen, after, to: to.seq });
  }

  #conversation(id: ConversationId, first: Position): ConversationState {
    const known = this.state.conversations.get(id);
    if (known !== undefined) return known;
    const fresh = newConversation(id, first.gen, this.#context.user);
    this.state.conversations.set(id, fresh);
    return fresh;
  }

  #heads({ heads, isOpen }: Extract<DeviceInput, { on: 'heads' }>, tools: StepTools): void {
    let isWanted = false;
    for (const head of heads) {
      const conversation = this.state.conversations.get(head.conversation);
      if (conversation?.anchored !== true) continue;
      if (isPulled(conversation)) {
        if (applyHead(conversation, head, tools) && isOpen(head.conversation)) isWanted = true;
      } else if (comparePositions(head, conversation.applied) > 0) {
        // Only members are told, and only while it is pulled: the inbox has not told it yet, and the list knows.
        tools.effects.push({ do: 'describe', conversation: head.conversation });
      }
    }
    if (isWanted) this.#pull(tools);
  }

  /** A sync, once more when one is under way that may end before what is wanted. */
  #pull(tools: StepTools): void {
    if (this.state.sync === null) this.#beginSync(tools);
    else this.state.sync.again = true;
  }

  /** Whether there is a conversation that is pulled. */
  get pulls(): boolean {
    return [...this.state.conversations.values()].some(isPulled);
  }

  /** Also one that may be: whose list was asked what it is, and has not answered before the connection was lost. */
  get #mayPull(): boolean {
    return this.pulls || [...this.state.conversations.values()].some(isUnknown);
  }

  #live({ effects }: StepTools): void {
    effects.push({ do: 'live' });
    for (const state of this.state.conversations.values()) {
      const { conversation, held, doubted } = state;
      if (held.length > 0) effects.push({ do: 'fill', conversation });
      if (doubted.length > 0) effects.push({ do: 'reread', conversation });
      if (isUnknown(state)) effects.push({ do: 'describe', conversation });
    }
  }

  #beginSync(tools: StepTools, forHole: Push | null = null): void {
    this.state.sync = { snapshot: null, again: false, kept: this.state.sync?.kept ?? [], forHole };
    this.#askSync(tools);
  }

  #askSync({ effects }: StepTools): void {
    const { inbox, token, tokenAt } = this.state;
    const moved = inbox.gen === tokenAt.gen && inbox.seq > tokenAt.seq;
    const reached = token === null ? [] : this.#reached();
    effects.push({ do: 'sync', token, seen: token !== null && moved ? inbox : null, reached });
  }

  /** What came of conversations that are pulled beside the last sync: by acks and pages. */
  #reached(): readonly Reached[] {
    const reached: Reached[] = [];
    for (const [id, state] of this.state.conversations) {
      if (!isPulled(state) || reached.length >= protocolLimits.reachedPerSync) continue;
      const known = this.#pulledTo.get(id);
      if (known !== undefined && comparePositions(known, state.applied) === 0) continue;
      reached.push({ conversation: id, ...state.applied });
    }
    return reached;
  }

  /**
   * Whether a message lies before it that was not pushed. While the user is a member only this device's own are not, or what
   * is pulled: also of a conversation of which the device does not know yet that it is, or was told too early that it is not.
   */
  #hasHole(item: PushItem): boolean {
    const state = this.state.conversations.get(item.conversation);
    if (!('messages' in item) || state?.anchored !== true || !state.member) return false;
    const { applied } = state;
    const first = item.messages.find((message) => comparePositions(message, applied) > 0);
    if (first === undefined || first.seq === applied.seq + 1) return false;
    // A newer generation says itself what was lost.
    return isPulled(state) || (first.seq > applied.seq && !this.#context.sendsPending(item.conversation));
  }

  #syncing(): boolean {
    return this.state.sync !== null;
  }

  /** @param tried - whether a sync that was asked behind this push did not bring what lies before it. */
  #push(push: Push, tools: StepTools, tried = false): void {
    const { state } = this;
    if (state.sync !== null) {
      if (state.sync.kept.length < KEPT_PUSHES_MAX) state.sync.kept.push(push);
      else {
        state.sync.kept = [];
        state.sync.again = true;
      }
      return;
    }
    if (push.gen < state.inbox.gen) return;
    if (push.gen > state.inbox.gen || push.prev > state.inbox.seq) {
      this.#beginSync(tools);
      // Kept: the answer of the sync may end before it.
      this.state.sync?.kept.push(push);
      return;
    }
    if (push.seq <= state.inbox.seq) return;
    for (const [index, item] of push.items.entries()) {
      if (!tried && this.#hasHole(item)) {
        // What lies before it in the push is here: it may be what tells that the conversation is pulled.
        const rest = { ...push, items: push.items.slice(index) };
        this.#beginSync(tools, rest);
        this.state.sync?.kept.push(rest);
        return;
      }
      this.#item(item, tools);
    }
    state.inbox = { gen: push.gen, seq: push.seq };
    this.#changes.sync();
  }

  #item(item: PushItem, tools: StepTools): void {
    if ('read' in item) {
      const conversation = this.state.conversations.get(item.conversation);
      if (conversation !== undefined && applyRead(conversation, item.read, tools)) {
        tools.effects.push({ do: 'read', item });
      }
      return;
    }
    if ('hint' in item) {
      applyHint(this.state.conversations.get(item.conversation), item, tools);
      return;
    }
    if ('deleted' in item) {
      const conversation = this.state.conversations.get(item.conversation);
      if (conversation !== undefined) applyDeleted(conversation, item.deleted, tools);
      return;
    }
    const fresh = this.state.conversations.get(item.conversation)?.anchored !== true;
    this.#inboxMessages(item.conversation, item.messages, tools);
    const last = item.messages.at(-1);
    const conversation = this.state.conversations.get(item.conversation);
    if (fresh && last !== undefined && conversation !== undefined) beginReading(conversation, last);
  }

  #inboxMessages(id: ConversationId, messages: readonly Message[], tools: StepTools): void {
    const [first] = messages;
    if (first === undefined) return;
    const conversation = this.#conversation(id, first);
    for (const message of messages) applyMessage(conversation, message, 'inbox', tools);
    if (conversation.held.length > HELD_MAX) releaseHeld(conversation, null, tools);
  }

  #synced(synced: Omit<Synced, 't' | 'id'>, tools: StepTools): void {
    const run = this.state.sync;
    // The answer to a sync of a connection that is gone.
    if (run === null) return;
    if (synced.tooLong) run.snapshot ??= new Set();
    for (const { summary, messages, deleted = [] } of synced.conversations) {
      run.snapshot?.add(summary.conversation);
      const conversation = this.#conversation(summary.conversation, summary);
      if (synced.tooLong) {
        applySnapshot(conversation, summary, tools);
        continue;
      }
      beginDelta(conversation, summary, messages.length > 0, tools);
      this.#inboxMessages(summary.conversation, messages, tools);
      for (const seq of deleted) applyDeleted(conversation, { seq, counted: false }, tools);
      endDelta(conversation, summary);
    }
    this.state.token = synced.token;
    this.state.inbox = synced.inbox;
    this.state.tokenAt = synced.inbox;
    this.state.partial = synced.hasMore;
    this.#changes.sync();
    if (synced.hasMore) {
      this.#askSync(tools);
      return;
    }
    const listed = run.snapshot?.size ?? 0;
    if (listed >= SNAPSHOT_COMPLETE) tools.effects.push({ do: 'list' });
    else if (run.snapshot !== null) this.#removeOthers(run.snapshot, tools);
    this.#endSync(run, tools);
  }

  #removeOthers(snapshot: ReadonlySet<ConversationId>, { effects, changes }: StepTools): void {
    for (const [id, conversation] of this.state.conversations) {
      // One that only an ack of this run told of is too new for the snapshot.
      if (snapshot.has(id) || !conversation.anchored) continue;
      this.state.conversations.delete(id);
      for (const message of conversation.tail) changes.dropped(id, message);
      changes.conversation(id);
      effects.push({ do: 'removed', conversation: id });
    }
  }

  #endSync(run: SyncRun, tools: StepTools): void {
    this.state.sync = null;
    for (const [id, state] of this.state.conversations) {
      if (isPulled(state)) this.#pulledTo.set(id, state.applied);
      else this.#pulledTo.delete(id);
    }
    for (const push of run.kept) this.#push(push, tools, push === run.forHole);
    if (this.#syncing()) return;
    if (run.again) this.#beginSync(tools);
    else this.#live(tools);
  }
}

const isBehind = (state: ConversationState, summary: ConversationSummary): boolean =>
  isPulled(state) && comparePositions(summary, state.applied) > 0;

/** Only the list tells what the user has joined. */
const isUnknown = ({ anchored, member, described }: ConversationState): boolean => anchored && member && !described;

const isPulled = ({ anchored, member, diffusion }: ConversationState): boolean =>
  anchored && member && diffusion === 'read';
