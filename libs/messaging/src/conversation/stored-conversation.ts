import type { ReadReason, ReadSegment } from '@millrace/diffusion';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import type { Pinned } from '@millrace/protocol';
import type { Position, TimelineHead } from '@millrace/timeline';
import type { ErasedAuthors, Extent } from '../revise/revision.ts';
import type { Ban, ConversationMeta, KeyWindow, Member, MentionOfAll, Staged } from './conversation-state.ts';
import type { CounterKey } from './counted-devices.ts';
import type { RecalledList } from './recalled.ts';
import type { SendCounter } from './send-counter.ts';

/** What a conversation is made of, as it is stored. */
export interface StoredConversation {
  readonly id: ConversationId;
  readonly storedAt: Position;
  readonly head: TimelineHead;
  readonly archivedTo: SequenceId;
  readonly meta: ConversationMeta | null;
  readonly msgNo: number;
  readonly retiredMsgNo: number;
  readonly keyWindow: KeyWindow;
  readonly segments: readonly ReadSegment[];
  readonly readReason: ReadReason;
  readonly lastAt: number;
  readonly senders: Iterable<readonly [UserId, readonly string[]]>;
  readonly members: Iterable<readonly [UserId, Member]>;
  readonly counters: Iterable<readonly [CounterKey, SendCounter]>;
  readonly keys: Iterable<readonly [string, { readonly window: number; readonly seq: SequenceId }]>;
  readonly bans: Iterable<readonly [UserId, Ban]>;
  readonly mentioned: Iterable<readonly [UserId, readonly SequenceId[]]>;
  readonly mentionsOfAll: readonly MentionOfAll[];
  readonly recalled: RecalledList;
  readonly pinned: readonly Pinned[];
  readonly deleted: Iterable<readonly [UserId, readonly SequenceId[]]>;
  readonly revised: Extent | null;
  readonly staged?: Staged | null;
  readonly erased: ErasedAuthors;
}
