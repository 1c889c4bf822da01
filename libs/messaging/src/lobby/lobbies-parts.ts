import { err, type Clock, type PartitionId, type Timers } from '@millrace/kernel';
import type { PartitionLog } from '@millrace/partition';
import { frameError, type ErrorCode } from '@millrace/protocol';
import type { ActorKey } from '@millrace/timeline';
import type { AnyCommand } from '../actor-calls.ts';
import type { NodeAnswer } from '../cluster/node-messages.ts';
import type { ConversationCommand } from '../conversation/commands.ts';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { LobbyLimits } from './lobby-limits.ts';
import type { Lobby } from './lobby.ts';

export interface LobbiesParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
  readonly messaging: MessagingLimits;
  readonly limits: LobbyLimits;
  partitionOf(key: ActorKey): PartitionId;
  has(partition: PartitionId): boolean;
  /** Of its owner token; null while it does not serve here. */
  epochOf(partition: PartitionId): number | null;
  /** Whether this node may act for its partitions, by its own clock. */
  mayServe(): boolean;
  /** Asks an actor that is stored, past the lobbies. */
  stored(this: void, partition: PartitionId, key: ActorKey, command: AnyCommand): Promise<NodeAnswer>;
  /** What is to be told of a batch. */
  told(this: void, effects: readonly Effect[]): void;
}

export interface AskedOfLobby {
  readonly lobby: Lobby;
  readonly command: ConversationCommand;
  readonly answer: (outcome: NodeAnswer) => void;
}

/** What became of one that is not here any more. */
export type LobbyFate = 'gone' | 'moved' | 'promoted';

export interface Lived {
  readonly lobby: Lobby;
  readonly partition: PartitionId;
  /** Commands that wait. */
  queued: number;
  /** What came while it is being made a group; null while it is not. */
  held: AskedOfLobby[] | null;
  fate: LobbyFate | null;
}

export const refusal = (code: ErrorCode, message: string): NodeAnswer => err(frameError(code, message));
