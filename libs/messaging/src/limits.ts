/** Bounds of the messaging layer (I9). */
export interface MessagingLimits {
  /** Members of one conversation at a time. */
  readonly membersMax: number;
  /**
   * With more members than `readAbove` a conversation's messages are not put into inboxes any more but pulled, with fewer
   * than `writeBelow` they are again. What lies between leaves it as it is.
   */
  readonly readAbove: number;
  readonly writeBelow: number;
  /**
   * The same by load: with more deliveries a second (messages times members, as an average over about `loadWindowMs`) than
   * `readAboveLoad` a smaller conversation is pulled, too, until they are fewer than `writeBelowLoad`.
   */
  readonly readAboveLoad: number;
  readonly writeBelowLoad: number;
  readonly loadWindowMs: number;
  /**
   * Up to so many members a conversation tells all of them of each position that moves, and of who types. Above, authors
   * get counts, and typing is not told.
   */
  readonly receiptMembersMax: number;
  /** Times that one user may come and go in one conversation: each leaves a membership interval. */
  readonly intervalsMax: number;
  /** Users that are banned from one conversation at a time. */
  readonly bansMax: number;
  /** How long an author may recall a message, milliseconds. The owner and admins may at any time. */
  readonly recallWindowMs: number;
  /** Recalled messages of one conversation that are listed; of more, half are counted into the members: see `gone.ts`. */
  readonly recalledListed: number;
  /** Unanswered sends of one device in one conversation, and how many accepted ones are remembered for retries (I4). */
  readonly sendWindow: number;
  /** Client message ids of free form in one window; the present and the previous window are remembered. */
  readonly keysPerWindow: number;
  /** Entries kept in an inbox; a device further behind gets a snapshot. */
  readonly inboxEntriesMax: number;
  /** How long an inbox entry is kept, milliseconds. */
  readonly inboxAgeMsMax: number;
}

export const defaultMessagingLimits: MessagingLimits = {
  membersMax: 10_000,
  readAbove: 200,
  writeBelow: 150,
  readAboveLoad: 20_000,
  writeBelowLoad: 10_000,
  loadWindowMs: 10_000,
  receiptMembersMax: 50,
  intervalsMax: 64,
  bansMax: 10_000,
  recallWindowMs: 24 * 3_600_000,
  recalledListed: 1_000,
  sendWindow: 64,
  keysPerWindow: 512,
  inboxEntriesMax: 10_000,
  inboxAgeMsMax: 30 * 24 * 3_600_000,
};
