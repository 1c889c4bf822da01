import type { LoadPlan, StreamPlan } from '../load/load-plan.ts';
import type { MeasuredTarget } from './run-shape.ts';
import { PAYLOAD_BYTES, userNames, type Part } from './shape.ts';

const MEMBERS = 50;
/** Lobbies that each socket is in. */
const LOBBIES_OF_SOCKET = 20;
/** Of the lobbies that a socket is in, each is one of so many. */
const LOBBIES_OF_ROUND = 50;
/** As many lobbies at their rate as two cores do with room to spare. */
const LOBBIES_AT_RATE = 100;
/** Messages of a lobby. */
const PER_SECOND = 20;
const WINDOW = 4;
const BACKLOG = 100;

/**
 * Lobbies, and sockets each of which is in several of them.
 *
 * There are `lobbiesOfSocket` rounds of `lobbiesOfRound` lobbies. A round divides all sockets among its lobbies, each
 * in another way, so that the members of one lobby are spread over many others.
 */
export interface LobbyShape {
  /** Of each lobby. */
  readonly members: number;
  readonly lobbiesOfSocket: number;
  readonly lobbiesOfRound: number;
  readonly lobbies: number;
  readonly sockets: number;
  readonly backlog: number;
  /** Messages of a writer that may be under way. */
  readonly window: number;
  readonly parts: readonly Part[];
}

/**
 * @param scale - a share of the lobbies, and with them of the sockets.
 * @param members - of each lobby; null for the workload's own.
 */
export function lobbyShape(scale: number, members: number | null): LobbyShape {
  const inEach = members ?? MEMBERS;
  // Each lobby has a writer of its own, who is in it.
  const lobbiesOfSocket = Math.min(LOBBIES_OF_SOCKET, inEach);
  const lobbiesOfRound = Math.max(2, Math.round(LOBBIES_OF_ROUND * scale));
  const lobbies = lobbiesOfSocket * lobbiesOfRound;
  const atRate = Math.min(lobbies, Math.max(1, Math.round(LOBBIES_AT_RATE * scale)));
  const open = { kind: 'open', perSecond: atRate * PER_SECOND, streams: atRate } as const;
  return {
    members: inEach,
    lobbiesOfSocket,
    lobbiesOfRound,
    lobbies,
    sockets: inEach * lobbiesOfRound,
    backlog: BACKLOG,
    window: WINDOW,
    parts: [
      { name: `lobby ${String(atRate)} at ${String(PER_SECOND)}/s`, mode: open },
      { name: 'lobby saturated', mode: { kind: 'saturated' } },
    ],
  };
}

/** Of each socket, the indexes of its lobbies, one of each round. */
export function lobbiesOfSockets({ sockets, lobbiesOfRound, lobbiesOfSocket }: LobbyShape): readonly number[][] {
  return Array.from({ length: sockets }, (_, socket) => {
    const [block, place] = [Math.floor(socket / lobbiesOfRound), socket % lobbiesOfRound];
    return Array.from(
      { length: lobbiesOfSocket },
      (_lobby, round) => round * lobbiesOfRound + ((place + round * block) % lobbiesOfRound),
    );
  });
}

/** The socket that writes in a lobby: one of its members, who writes in no other. */
export function writerOf({ lobbiesOfRound }: LobbyShape, lobby: number): number {
  const [round, place] = [Math.floor(lobby / lobbiesOfRound), lobby % lobbiesOfRound];
  const shift = (round * round) % lobbiesOfRound;
  return round * lobbiesOfRound + ((place + lobbiesOfRound - shift) % lobbiesOfRound);
}

export function lobbyPlan(
  shape: LobbyShape,
  run: string,
  { kind, websockets, secret }: Pick<MeasuredTarget, 'kind' | 'websockets' | 'secret'>,
): LoadPlan {
  const { lobbies, members, sockets, backlog, window } = shape;
  const streams = Array.from({ length: lobbies }, (_, lobby): StreamPlan => {
    const conversation = `~bench-${run}-${String(lobby)}`;
    return { sender: writerOf(shape, lobby), peer: null, conversation, deliveries: members };
  });
  return {
    target: kind,
    websockets,
    secret,
    device: 'bench-load',
    users: userNames(run, sockets),
    usersPerAddress: null,
    shows: null,
    lobbies: { ofUser: lobbiesOfSockets(shape), backlog, membersMax: members },
    streams,
    window,
    payloadBytes: PAYLOAD_BYTES,
  };
}
