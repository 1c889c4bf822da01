import type { ConversationId, DeviceId, NodeId, PartitionId, SequenceId, UserId } from '@millrace/kernel';
import type { CommittedBatch } from '@millrace/partition';
import type { Ack, Push, Resync, WireEntry } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { Effect } from '../effects.ts';
import type { TraceHere } from './trace-here.ts';

/** How a command came to its owner, and when, monotonic. */
export interface Way {
  readonly to: NodeId;
  readonly postedMs: number;
  /** When the owner was asked that answered. */
  readonly askedMs: number;
  readonly answeredMs: number;
  /** How many owners were asked: more than one when the partition changed hands meanwhile. */
  readonly tries: number;
}

/** Which message, and for which of its recipients. */
export interface TraceQuestion {
  readonly conversation: ConversationId;
  readonly gen: number;
  readonly seq: SequenceId;
  readonly of: readonly UserId[];
}

/** What is noted of one session's device. */
export interface DeviceTrace {
  /** The frame is on its way out. */
  pushed(frame: Push<WireEntry>): void;
  /** The device was told to sync: it was not sent something. */
  resynced(reason: Resync['reason']): void;
  /** The device is sent from here on what goes out to the topic. */
  listens(topic: string): void;
  unlistens(topic: string): void;
  /** Something that went out to its topics did not go to this device: it did not take what it was sent. */
  passedOver(): void;
  /** The session is over. */
  ended(): void;
}

/** Entries of one conversation, and of one generation, that follow on each other. */
export interface EntryRun {
  readonly gen: number;
  readonly from: SequenceId;
  readonly to: SequenceId;
}

/**
 * Where a node notes what becomes of messages, so that one's story can be told (docs/explain.md). Kept in memory only,
 * bounded, and nothing depends on it. Calls are cheap, in the hot path of every message, and never throw.
 *
 * A further follower of messages (an index, an archive) notes its own step here by one more call.
 */
export interface MessageTrace {
  /** A gateway has answered a device's message, which came in at `receivedMs`, monotonic. */
  accepted(by: Principal, session: string, ack: Omit<Ack, 't' | 'id'>, receivedMs: number): void;
  /** A command was answered by its owner. */
  routed(command: AnyCommand, reply: AnyReply, way: Way): void;
  /** @returns what names the commit in {@link diffused}; negative for one of which nothing is noted. */
  committed(partition: PartitionId, batch: CommittedBatch<AnyCommand, AnyReply, Effect>): number;
  /** Everything of this commit is in the inboxes that it goes to. */
  diffused(commit: number): void;
  /** A device has a session on this node. */
  connected(device: Principal, session: string): DeviceTrace;
  /** The device has said that it has its user's inbox up to there. */
  told(device: Principal, inbox: Position): void;
  /** The device was answered what its inbox has up to there; `skipped`: not the messages, for it was too far behind. */
  pulled(device: Principal, inbox: Position, skipped: boolean): void;
  /** The device was answered these entries, which are in no inbox, or a page of the conversation. */
  brought(device: Principal, conversation: ConversationId, entries: EntryRun): void;
  /** The device has said how far it has a conversation that is pulled: in so many words, or by its token. */
  holds(device: Principal, conversation: ConversationId, position: Position, by: 'reached' | 'token'): void;
  /** Entries of a conversation in read mode go out to those who listen to the topic, a number of sessions. */
  shown(conversation: ConversationId, topic: string, entries: EntryRun, sessions: number): void;
  /** What was shown is written to the sockets, or passes over the slow ones before this is called again. */
  flushed(): void;
  /** The device has said that its user got, or has read, the conversation up to there. */
  receipt(device: Principal, conversation: ConversationId, seq: SequenceId, what: 'delivered' | 'read'): void;
  tell(question: TraceQuestion): TraceHere;
}

/** Names a commit of which nothing is noted. */
export const UNTRACED = -1;

const nothing = (): void => undefined;

/** Notes nothing, and says so. */
export const silentTrace: MessageTrace = {
  accepted: nothing,
  routed: nothing,
  committed: () => UNTRACED,
  diffused: nothing,
  connected: () => ({
    ...{ pushed: nothing, resynced: nothing, ended: nothing },
    ...{ listens: nothing, unlistens: nothing, passedOver: nothing },
  }),
  told: nothing,
  pulled: nothing,
  brought: nothing,
  holds: nothing,
  shown: nothing,
  flushed: nothing,
  receipt: nothing,
  tell: () => ({
    kept: null,
    accepted: [],
    routed: [],
    sequenced: null,
    copies: { delivered: null, pushed: null },
    delivered: [],
    pushed: [],
    pulls: [],
    receipts: [],
    devices: [],
  }),
};

/** Notes that the device was answered these, in one direction or the other. */
export function noteBrought(
  trace: Pick<MessageTrace, 'brought'>,
  device: Principal,
  conversation: ConversationId,
  messages: readonly WireEntry[],
): void {
  const [first, last] = [messages[0], messages.at(-1)];
  if (first === undefined || last === undefined) return;
  const [from, to] = first.seq <= last.seq ? [first, last] : [last, first];
  trace.brought(device, conversation, { gen: to.gen, from: from.seq, to: to.seq });
}

/** A device's own name beside its user's. */
export interface DeviceName {
  readonly user: UserId;
  readonly device: DeviceId;
}
