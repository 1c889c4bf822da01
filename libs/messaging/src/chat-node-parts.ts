import type { RestingLimits } from '@millrace/actor';
import type { Clock, NodeId, Random, Timers } from '@millrace/kernel';
import type { LinkLimits, NodeStreams } from '@millrace/node-link';
import type {
  AckLevel,
  ClusterStore,
  PartitionLimits,
  PartitionLog,
  PartitionStore,
  PlacementLimits,
  Role,
  StoreFormat,
} from '@millrace/partition';
import type { SearchIndex } from '@millrace/search';
import type { Archiver } from './archive/archiver.ts';
import type { Lifetimes } from './archive/lifetimes.ts';
import type { Retention } from './archive/retention.ts';
import type { FieldRules } from './indexing/field-rules.ts';
import type { Indexer } from './indexing/indexer.ts';
import type { RecordReader, TimelineReader } from '@millrace/timeline';
import type { LivePort, SessionPort, UserPushPort } from './chat-service.ts';
import type { RouterLimits } from './cluster/router.ts';
import type { LobbyLimits } from './lobby/lobby-limits.ts';
import type { MessagingLimits } from './limits.ts';
import type { DueJobs } from './scheduled/due-jobs.ts';
import type { MessageTrace } from './trace/message-trace.ts';

export interface ChatNodeLimits {
  readonly messaging: MessagingLimits;
  readonly lobbies: LobbyLimits;
  readonly partition: PartitionLimits;
  readonly resting: RestingLimits;
  readonly placement: PlacementLimits;
  readonly router: RouterLimits;
  readonly links: LinkLimits;
  /** How long a node that stops waits for what it has committed to reach the inboxes. The changefeed keeps the rest. */
  readonly stopDiffusionMs: number;
  /** How long a node that stops waits for the others to take its partitions over. */
  readonly stopHandoffMs: number;
  /** How long a partition that was moved here waits for its last owner to hand it back. */
  readonly releaseMsMax: number;
}

export interface ChatNodeParts {
  readonly stores: {
    readonly partitions: PartitionStore;
    readonly cluster: ClusterStore;
    readonly timelines: TimelineReader;
    readonly records: RecordReader;
  };
  readonly streams: NodeStreams;
  /** This run of the node. */
  readonly node: NodeId;
  /** The same for every run of one node: a new run replaces the one before it at once. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** Its HTTP address, for operators; may be empty. */
  readonly url: string;
  /** Where clients open sockets to it; empty when there are none, or it cannot tell. */
  readonly socketUrl: string;
  readonly partitionCount: number;
  readonly storeFormat: StoreFormat;
  readonly ackLevel: AckLevel;
  readonly leaseMs: number;
  readonly limits: ChatNodeLimits;
  readonly pushPort: UserPushPort;
  readonly sessionPort: SessionPort;
  readonly livePort: LivePort;
  /** Where it notes what becomes of messages. */
  readonly trace: MessageTrace;
  /** What archives the conversations of this node; absent where all of them stay hot. */
  readonly archiver?: Archiver;
  /** What lets go of entries that are older than is kept; absent where all are kept for ever. */
  readonly retention?: Retention;
  /** What sees to it that messages disappear in time; absent where there are no jobs. */
  readonly lifetimes?: Lifetimes;
  /** Where messages are found; null where they are not searched for. */
  readonly search: SearchIndex | null;
  /** What of messages is searched for: the same rules by which they are brought into it. */
  readonly searchRules?: FieldRules;
  /** What brings messages of this node into {@link search}; absent where nothing does. */
  readonly indexer?: Indexer;
  /** Where messages wait that are to be sent later; absent where none can be. */
  readonly jobs?: DueJobs;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: PartitionLog;
  /** Another run of this node is there: this one serves nothing any more and should end. */
  readonly onLost: (why: string) => void;
}

export interface ChatNodeStats {
  /** Of this node, and of those how many serve. */
  readonly partitionsOwned: number;
  readonly partitionsServing: number;
  readonly partitionsMoving: number;
  readonly commandsQueued: number;
  readonly commandsRouting: number;
  readonly actorsResting: number;
  readonly usersBehind: number;
  /** Commits of the partitions here that have not reached all inboxes. */
  readonly commitsUndiffused: number;
  /** What other nodes were asked, and have not answered. */
  readonly linkCalls: number;
  readonly usersAttached: number;
  /** Lobbies that live here. */
  readonly lobbies: number;
  readonly viewVersion: number;
  readonly members: number;
}
