import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { ConversationSummary, Message, PushItem, Reached } from '@millrace/protocol';
import type { Position } from './position.ts';

/** What the device's state asks of its shell. In order: the shell carries them out as they come. */
export type Effect =
  | { readonly do: 'deliver'; readonly conversation: ConversationId; readonly message: Message }
  /** A message that was delivered is another one now; null where it is not kept here. */
  | {
      readonly do: 'revised';
      readonly conversation: ConversationId;
      readonly seq: SequenceId;
      readonly message: Message | null;
    }
  /** Messages here may be others now: if they still are in doubt in a moment, read them again; answer with `reread`. */
  | { readonly do: 'reread'; readonly conversation: ConversationId }
  /** The summary changed. Once a step and conversation, after the step's other effects. */
  | { readonly do: 'changed'; readonly conversation: ConversationId }
  | { readonly do: 'removed'; readonly conversation: ConversationId }
  | { readonly do: 'read'; readonly item: Extract<PushItem, { read: unknown }> }
  | { readonly do: 'hint'; readonly item: Extract<PushItem, { hint: unknown }> }
  | {
      readonly do: 'gap';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly after: SequenceId;
      readonly to: SequenceId;
    }
  | {
      readonly do: 'regressed';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly from: SequenceId;
    }
  /** Ask the server for what came after `token`, `seen` and `reached`; answer with `synced` or `syncFailed`. */
  | {
      readonly do: 'sync';
      readonly token: string | null;
      readonly seen: Position | null;
      readonly reached: readonly Reached[];
    }
  /** Nothing is missing up to here. */
  | { readonly do: 'live' }
  /** Messages wait for ones before them. If they still do in a moment, page them from the conversation. */
  | { readonly do: 'fill'; readonly conversation: ConversationId }
  /** A conversation whose kind and title are not known: find it in the user's list, answer with `described`. */
  | { readonly do: 'describe'; readonly conversation: ConversationId }
  /** Fetch the whole list of conversations; answer with `listed`. */
  | { readonly do: 'list' }
  /** Ask `history` whether `position` survived, to tell which messages were lost; answer with `probed`. */
  | {
      readonly do: 'probe';
      readonly conversation: ConversationId;
      readonly position: Position;
      readonly to: Position;
    }
  /**
   * A snapshot stands before `position`: it may be older than what is here, or that was lost. Ask `history` which; answer
   * with `verified`.
   */
  | {
      readonly do: 'verify';
      readonly conversation: ConversationId;
      readonly position: Position;
      readonly summary: ConversationSummary;
    }
  /** A snapshot's read position is before the device's: tell the server once more, which may have lost it. */
  | { readonly do: 'readAgain'; readonly conversation: ConversationId; readonly seq: SequenceId }
  /** This device's own message came by: if its send is still waiting for an ack, it has its answer. */
  | { readonly do: 'settle'; readonly conversation: ConversationId; readonly message: Message };

/** Who this device is, and what its outbox waits for. */
export interface DeviceContext {
  readonly user: UserId;
  readonly deviceTag: number;
  /** True while a message of this device may be stored in the conversation without an ack that came back. */
  sendsPending(conversation: ConversationId): boolean;
}

/** Gathers what must be written to the storage. */
export interface ChangeRecorder {
  /** Inbox position or token. */
  sync(): void;
  /** Everything of a conversation but its cached messages; also when it is gone. */
  conversation(conversation: ConversationId): void;
  cached(conversation: ConversationId, message: Message): void;
  dropped(conversation: ConversationId, message: Message): void;
}

const onceNames: ReadonlySet<Effect['do']> = new Set(['changed', 'fill', 'describe', 'reread'] as const);

const isOnce = (effect: Effect): effect is Extract<Effect, { do: 'changed' | 'fill' | 'describe' | 'reread' }> =>
  onceNames.has(effect.do);

/** `changed` once a conversation and at the end, `fill`, `describe` and `reread` once; the rest as it came. */
export function once(effects: readonly Effect[]): readonly Effect[] {
  if (effects.length < 2) return effects;
  const seen = new Set<string>();
  const first: Effect[] = [];
  const last: Effect[] = [];
  for (const effect of effects) {
    if (!isOnce(effect)) {
      first.push(effect);
      continue;
    }
    const key = `${effect.do} ${effect.conversation}`;
    if (!seen.has(key)) last.push(effect);
    seen.add(key);
  }
  return [...first, ...last];
}
