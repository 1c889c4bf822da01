import type { ConversationId, NodeId, PartitionId } from '@millrace/kernel';
import type { AckLevelName, EntryFields } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';
import type { AudienceAt } from '../conversation/commands.ts';
import type { TraceHere } from '../trace/trace-here.ts';
import type { InboxFound } from './inbox-search.ts';

/** What one member of the cluster told; null when it did not answer. */
export interface NodeFacts {
  readonly name: string;
  readonly node: NodeId;
  readonly trace: TraceHere | null;
}

/** Everything that a story is told from. */
export interface StoryFacts {
  readonly conversation: ConversationId;
  readonly position: Position;
  readonly head: Position;
  readonly partition: PartitionId;
  readonly level: AckLevelName;
  readonly entry: EntryFields;
  readonly bytes: number;
  readonly audience: AudienceAt;
  /** Of each member of the audience, in the same order. Null for one that a node has traced, which is not looked for. */
  readonly inboxes: readonly (InboxFound | null)[];
  readonly nodes: readonly NodeFacts[];
  readonly asked: string;
}
