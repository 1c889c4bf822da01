import type { NodeId, PartitionId, SequenceId } from '@millrace/kernel';
import type { DeviceName } from './message-trace.ts';

/*
 * What one node tells of a message: by its own notes, in wall time as its own clock shows it now. Durations are
 * milliseconds of its monotonic clock.
 */

export interface AcceptedStep extends DeviceName {
  readonly session: string;
  readonly receivedAt: number;
  readonly ackedAt: number;
  readonly tookMs: number;
  /** A retry, which was answered what the first one was. */
  readonly duplicate: boolean;
}

export interface RoutedStep {
  readonly to: NodeId;
  /** Whether it was a backend's, over HTTP: then this is all that is noted of its arrival. */
  readonly keyed: boolean;
  readonly postedAt: number;
  /** From there until its owner was asked: more than nothing when the partition had none. */
  readonly waitedMs: number;
  /** From then until the owner had answered. */
  readonly tookMs: number;
  readonly tries: number;
}

export interface SequencedStep {
  /** In the mailbox, until it was decided. */
  readonly waitedMs: number;
  readonly recipients: number;
  /** Null when its place was taken. */
  readonly commit: CommittedStep | null;
}

export interface CommittedStep {
  readonly partition: PartitionId;
  readonly commitNo: number;
  readonly epoch: number;
  /** Commands in the batch. */
  readonly commands: number;
  readonly decidedAt: number;
  readonly storedAt: number;
  /** From the decision until it was known to be stored. */
  readonly tookMs: number;
  readonly again: boolean;
  /** When all inboxes that the commit goes to had it, null for not yet; and how long after it was stored. */
  readonly diffused: { readonly at: number; readonly tookMs: number } | null;
}

export interface DeliveredStep {
  readonly user: DeviceName['user'];
  /** `seq` null: the trace does not know which. */
  readonly inbox: { readonly gen: number; readonly seq: SequenceId | null };
  readonly at: number;
  /** From the mailbox until it was stored. */
  readonly tookMs: number;
}

export interface PushedStep extends DeviceName {
  readonly session: string;
  readonly at: number;
}

/** Of what is in no inbox: whether the device has said that it has it, or was only answered it. */
export interface PullStep extends DeviceName {
  readonly isHeld: boolean;
  readonly at: number;
}

export interface ReceiptStep extends DeviceName {
  readonly what: 'delivered' | 'read';
  readonly at: number;
}

/** A position in the user's inbox, and when it came to be known. */
export interface Mark {
  readonly gen: number;
  readonly seq: number;
  readonly at: number;
}

/** Where one device stands, as far as this node was told or has sent. */
export interface DeviceMarks extends DeviceName {
  /** The one that is open here. */
  readonly session: string | null;
  /** The device said that it has everything up to there. */
  readonly told: Mark | null;
  readonly pushed: Mark | null;
  readonly pulled: Mark | null;
  /** It was too far behind and got no messages up to there, but where its conversations stand. */
  readonly skipped: Mark | null;
  readonly resynced: { readonly reason: string; readonly at: number } | null;
}

/** Of how many recipients' inboxes or devices, and when the first and the last of them. */
export interface Spread {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface TraceHere {
  /**
   * Since when this run of the node notes steps, and from when on all of them are still there (null: since then). Null
   * for a node that notes nothing.
   */
  readonly kept: {
    readonly since: number;
    readonly messagesFrom: number | null;
    readonly copiesFrom: number | null;
  } | null;
  /** Newest first. */
  readonly accepted: readonly AcceptedStep[];
  readonly routed: readonly RoutedStep[];
  readonly sequenced: SequencedStep | null;
  /** Over all recipients, not only those that were asked for. */
  readonly copies: { readonly delivered: Spread | null; readonly pushed: Spread | null };
  readonly delivered: readonly DeliveredStep[];
  readonly pushed: readonly PushedStep[];
  /** A node of a former version does not tell them. */
  readonly pulls?: readonly PullStep[];
  readonly receipts: readonly ReceiptStep[];
  readonly devices: readonly DeviceMarks[];
}
