/** Which lobbies there are and who is in them. The lobby with an index is that of the stream with this index. */
export interface LobbiesPlan {
  /** Of each user, indexes of the lobbies. */
  readonly ofUser: readonly (readonly number[])[];
  /** Entries that each keeps. */
  readonly backlog: number;
  readonly membersMax: number;
}

/** One after the other; each is over when all devices have taken it. */
export type LobbyStep =
  /** Who writes in a lobby makes it. */
  | 'create'
  /** All others join. */
  | 'join'
  /** Each device waits until it was told where its lobbies stand: what is said from then on comes to it by itself. */
  | 'stand'
  /** Who made a lobby dissolves it. */
  | 'dissolve'
  /** Each device waits until it was told the end of all its lobbies. */
  | 'end';

/** What came, to the end, of what was sent. */
export interface LobbiesHeard {
  /** Messages in each lobby. */
  readonly sent: readonly number[];
  /** Of each lobby's messages those that a member did not hear at its end, over all members. */
  readonly lost: number;
  /** Messages that came to a user who is not in the lobby. */
  readonly strange: number;
}

/** @param last - the number that a user heard last of a lobby; 0 for none. */
export function lobbiesHeard(
  { ofUser }: Pick<LobbiesPlan, 'ofUser'>,
  sent: readonly number[],
  last: (user: number, lobby: number) => number,
): LobbiesHeard {
  let lost = 0;
  let strange = 0;
  for (const [user, lobbies] of ofUser.entries()) {
    const own = new Set(lobbies);
    for (const [lobby, count] of sent.entries()) {
      const heard = last(user, lobby);
      if (own.has(lobby)) lost += count - heard;
      else strange += heard;
    }
  }
  return { sent, lost, strange };
}
