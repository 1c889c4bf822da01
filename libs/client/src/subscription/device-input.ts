import type { ConversationId, SequenceId } from '@millrace/kernel';
import type {
  ConversationHead,
  ConversationSummary,
  FrameError,
  Live,
  Message,
  Push,
  ReadDone,
  Synced,
} from '@millrace/protocol';
import type { Position } from './position.ts';

/** What happens to a device. */
export type DeviceInput =
  | { readonly on: 'connected'; readonly inbox: Position }
  | { readonly on: 'lost' }
  | { readonly on: 'push'; readonly push: Push }
  | { readonly on: 'resync' }
  | { readonly on: 'live'; readonly live: Live }
  | {
      readonly on: 'heads';
      readonly heads: readonly ConversationHead[];
      /** Whether the device shows the conversation, so that what is missing is wanted now. */
      readonly isOpen: (conversation: ConversationId) => boolean;
    }
  | { readonly on: 'synced'; readonly synced: Omit<Synced, 't' | 'id'> }
  /** Refused for good: the token is of no use. */
  | { readonly on: 'syncRefused'; readonly error: FrameError }
  /** A message of this device, as its ack tells. */
  | { readonly on: 'own'; readonly conversation: ConversationId; readonly message: Message }
  /**
   * A forward page from `applied` on, which holds all that this user may see up to `completeTo`; null when no page will
   * ever tell more.
   */
  | {
      readonly on: 'page';
      readonly conversation: ConversationId;
      readonly messages: readonly Message[];
      readonly completeTo: SequenceId | null;
    }
  /** A message that was in doubt, as it is now; null when it cannot be read any more. */
  | {
      readonly on: 'reread';
      readonly conversation: ConversationId;
      readonly seq: SequenceId;
      readonly message: Message | null;
    }
  | { readonly on: 'pageRegressed'; readonly conversation: ConversationId; readonly from: SequenceId }
  /** `survivedTo` is null when the position that was asked for is still there. */
  | {
      readonly on: 'probed';
      readonly conversation: ConversationId;
      readonly position: Position;
      readonly to: Position;
      readonly survivedTo: SequenceId | null;
    }
  /** What came of a `verify`, likewise. */
  | {
      readonly on: 'verified';
      readonly conversation: ConversationId;
      readonly position: Position;
      readonly summary: ConversationSummary;
      readonly survivedTo: SequenceId | null;
    }
  | { readonly on: 'readDone'; readonly done: Omit<ReadDone, 't' | 'id'> }
  | { readonly on: 'described'; readonly summaries: readonly ConversationSummary[] }
  /** All conversations of the user, for a snapshot that may have been cut. */
  | { readonly on: 'listed'; readonly summaries: readonly ConversationSummary[] };
