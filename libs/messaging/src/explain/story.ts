import type { ConversationId, DeviceId, Generation, PartitionId, SequenceId, UserId } from '@millrace/kernel';
import type { AckLevelName, ConversationKind, MessageType, Role } from '@millrace/protocol';
import type { Mark, Spread } from '../trace/trace-here.ts';

/*
 * What can be told of one message. Times are wall times, milliseconds since 1970, each as the clock of the node shows it
 * that is named beside it; durations are milliseconds of one node's monotonic clock.
 */

/** How a step is known: by a node's trace; by what is stored; or not (`why` says more). */
export type Known = 'traced' | 'stored' | 'not';

/**
 * Why something is not traced. `silent`: these nodes did not answer, and may know. `off`: they note nothing.
 * `restarted`: they were started after the message, so what they noted before is gone. `pushed_out`: newer messages took
 * its place. `control`: it is no message, but an entry of the conversation itself. `not_noted`: none of these, so whoever
 * did it is not in the cluster any more.
 */
export interface Why {
  readonly code: 'silent' | 'off' | 'restarted' | 'pushed_out' | 'control' | 'not_noted';
  readonly nodes: readonly string[];
}

interface StepFacts {
  readonly known: Known;
  /** The node that tells it. */
  readonly node: string | null;
  readonly at: number | null;
  readonly tookMs: number | null;
  /** Empty when it is traced. */
  readonly why: readonly Why[];
}

/** A node has taken it from a device, or from a backend over HTTP. */
export interface Accepted extends StepFacts {
  readonly step: 'accepted';
  readonly via: 'socket' | 'http' | null;
  readonly session: string | null;
  /** Retries that came later, each of which was answered what the first one was. */
  readonly retries: number;
}

/** It came to the node that owns the conversation. `tookMs` is until that one had answered. */
export interface Routed extends StepFacts {
  readonly step: 'routed';
  readonly to: string | null;
  readonly way: 'here' | 'node_stream' | null;
  /** Until an owner was asked that answered. */
  readonly waitedMs: number | null;
  readonly tries: number | null;
}

/** It got its seq: `at` is the time that is stored with it. */
export interface Sequenced extends StepFacts {
  readonly step: 'sequenced';
  readonly partition: PartitionId;
  readonly epoch: number | null;
  /** In the mailbox. */
  readonly waitedMs: number | null;
}

/** The store has it. `tookMs` is from the decision until that was known. */
export interface Committed extends StepFacts {
  readonly step: 'committed';
  readonly commitNo: number | null;
  readonly commands: number | null;
  readonly level: AckLevelName | null;
  /** Whether an answer was lost, and it was found out by claiming again. */
  readonly again: boolean | null;
}

/** The sender was told. `tookMs` is since it was accepted. */
export interface Acked extends StepFacts {
  readonly step: 'acked';
}

/**
 * It is in the inboxes of its recipients. `tookMs` is from the commit until all of them had it. Of mode `read`: it comes
 * into none; devices that show the conversation are pushed it live, the others pull it.
 */
export interface Diffused extends StepFacts {
  readonly step: 'diffused';
  readonly mode: 'write' | 'read';
  readonly recipients: number;
  /** Of those that were looked at (`members`), how many have it. */
  readonly looked: number;
  readonly reached: number;
  /** Over all recipients, as far as nodes still know. */
  readonly delivered: Spread | null;
  readonly pushed: Spread | null;
  /** By gateway, how many devices there were sent it, as far as it still knows. */
  readonly gateways: readonly (Spread & { readonly node: string })[];
}

/** In the order of the message's way. Further followers of the changefeed are further steps. */
export type StoryStep = Accepted | Routed | Sequenced | Committed | Acked | Diffused;

/**
 * Where one recipient's inbox has it. `behind`: it is on its way. `gone`: it was there and is not any more, because the
 * inbox was trimmed or broke there. `pulled`: it came into no inbox. `not_found`: not in the part of the inbox that was looked through. `unavailable`: the
 * user's partition did not answer.
 */
export interface InInbox {
  readonly known: Known;
  readonly state: 'there' | 'behind' | 'gone' | 'pulled' | 'not_found' | 'unavailable';
  readonly gen: number | null;
  readonly seq: number | null;
  /** When it was stored there; null when that was not traced. */
  readonly at: number | null;
  readonly tookMs: number | null;
}

/**
 * What one device has of it, as far as nodes were told or have sent. `author`: it sent it, and was acknowledged.
 * `applied`: the device said that it has it. `pulled`: it was in the answer to a sync. `pushed`: it was sent by push; the
 * device has not said a word since. `skipped`: the device was too far behind, or new: it was told where its
 * conversations stand and reads them itself. `behind`: it was not sent yet. `unknown`: no node knows where the device
 * stands.
 */
export interface DeviceStory {
  readonly device: DeviceId;
  /** Where it has a session now. */
  readonly node: string | null;
  readonly session: string | null;
  readonly state: 'author' | 'applied' | 'pulled' | 'pushed' | 'skipped' | 'behind' | 'unknown';
  /** When that came to be known; null when that was not noted. */
  readonly at: number | null;
  /** When it was pushed there, whatever came after. */
  readonly pushedAt: number | null;
  /** How far in the inbox the device itself said that it is. */
  readonly told: Mark | null;
  /** It was told to sync instead of being sent something. */
  readonly resynced: { readonly reason: string; readonly at: number } | null;
}

export interface MemberStory {
  readonly user: UserId;
  /** Null for one who is no member any more. */
  readonly role: Role | null;
  readonly isAuthor: boolean;
  readonly inbox: InInbox;
  readonly deliveredSeq: SequenceId;
  readonly readSeq: SequenceId;
  readonly delivered: boolean;
  readonly read: boolean;
  /** When they said so, as far as nodes still know. */
  readonly deliveredAt: number | null;
  readonly readAt: number | null;
  readonly devices: readonly DeviceStory[];
}

/** What became of asking one node. */
export interface NodeTold {
  readonly name: string;
  readonly state: 'told' | 'silent' | 'off';
  /** Since when its present run notes steps. */
  readonly since: number | null;
  /** From when on all steps on the way of messages, and all of their copies, are still there; null: since then. */
  readonly messagesFrom: number | null;
  readonly copiesFrom: number | null;
}

export interface MessageStory {
  readonly conversation: ConversationId;
  readonly kind: ConversationKind;
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly head: { readonly gen: Generation; readonly seq: SequenceId };
  /** What is stored with it. */
  readonly message: {
    readonly from: UserId | null;
    /** Null when it came over HTTP, is of the conversation itself, or is of a device that is not known any more. */
    readonly device: DeviceId | null;
    readonly n: number;
    readonly type: MessageType;
    readonly countable: boolean;
    readonly msgNo: number;
    readonly at: number;
    readonly sentAt: number;
    /** Of the stored entry. */
    readonly bytes: number;
  };
  readonly steps: readonly StoryStep[];
  /** The members as of the message; by how many, but for the author, it was said to be delivered and read. */
  readonly recipients: { readonly count: number; readonly delivered: number; readonly read: number };
  /** Some of the recipients, or the one that was asked for. */
  readonly members: readonly MemberStory[];
  readonly nodes: readonly NodeTold[];
  /** The node that was asked. */
  readonly asked: string;
}
