/** Bounds of lobbies (I9). */
export interface LobbyLimits {
  /** That live on one node at a time; 0 for none at all. */
  readonly lobbiesMax: number;
  readonly membersMax: number;
  /** Entries that one may keep. */
  readonly backlogMax: number;
  /** As many as it keeps when its creator does not say. */
  readonly backlogDefault: number;
  /** Bytes of the entries that one keeps. */
  readonly backlogBytesMax: number;
  /** How long a member stays in it who has it open on no device, milliseconds. */
  readonly graceMs: number;
  /** How long it stays when nobody is in it, milliseconds. */
  readonly emptyMs: number;
  /** How long it stays when nobody writes, milliseconds. */
  readonly idleMs: number;
  /** Commands that wait for one, and for all of a node. */
  readonly commandsMax: number;
  readonly commandsOfAllMax: number;
}

export const defaultLobbyLimits: LobbyLimits = {
  lobbiesMax: 10_000,
  membersMax: 1_000,
  backlogMax: 1_000,
  backlogDefault: 100,
  backlogBytesMax: 262_144,
  graceMs: 30_000,
  emptyMs: 10_000,
  idleMs: 6 * 3_600_000,
  commandsMax: 2_048,
  commandsOfAllMax: 65_536,
};
