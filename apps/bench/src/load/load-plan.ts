import type { ConversationId } from '@millrace/kernel';
import type { Encoding } from '@millrace/protocol';
import type { LobbiesPlan, LobbyStep } from './lobbies-plan.ts';

/** A Millrace server, the relay that is its floor, or another program that it is measured beside. */
export type TargetKind = 'millrace' | 'relay' | 'socket.io' | 'colyseus';

/** What a load generator is told to do: as JSON, for it is a process of its own. */
export interface LoadPlan {
  readonly target: TargetKind;
  /** Users take turns in connecting to them. */
  readonly websockets: readonly string[];
  /** Signs the users' tokens; not needed for the relay. */
  readonly secret: string;
  readonly device: string;
  /** Of Millrace's protocol, on every connection; left out: `binary`. */
  readonly encoding?: Encoding;
  /** One connection each. */
  readonly users: readonly string[];
  /** So many connections come from one loopback address, 127.0.0.1 and on; null: all from that of the system's choice. */
  readonly usersPerAddress: number | null;
  /** Of those, the one that the first connection comes from, 0 for 127.0.0.1, so that several loads share none. */
  readonly firstAddress?: number;
  /** The conversation that every device shows, so that its entries come live in read mode; null: they show none. */
  readonly shows: ShowPlan | null;
  /** Each stream is that of one lobby, and goes to those who are in it; null: there are none. */
  readonly lobbies: LobbiesPlan | null;
  readonly streams: readonly StreamPlan[];
  /** Messages of a stream that may be under way: sent, and not yet acknowledged and delivered to all. */
  readonly window: number;
  readonly payloadBytes: number;
}

export interface ShowPlan {
  readonly conversation: string;
  /** In read mode: each device waits until it was told where the conversation stands, and gets everything behind that. */
  readonly isRead: boolean;
}

export const addressFor = ({ websockets }: LoadPlan, user: number): string =>
  websockets[user % websockets.length] ?? '';

export function localAddressFor({ usersPerAddress, firstAddress = 0 }: LoadPlan, user: number): string | null {
  return usersPerAddress === null
    ? null
    : `127.0.0.${String(1 + ((firstAddress + Math.floor(user / usersPerAddress)) % 250))}`;
}

/** The messages of one sender into one conversation. */
export interface StreamPlan {
  /** Index of its user. */
  readonly sender: number;
  readonly conversation: string;
  /** Into so many conversations in turn instead, which are called like that one with `-0`, `-1` … behind it. */
  readonly among?: number;
  /** For the relay: the connection to pass it on to, or null for all. */
  readonly peer: number | null;
  /** How often each message is delivered. */
  readonly deliveries: number;
}

/** Where message `n` of a stream goes, and which number it has there. */
export function conversationOf(
  { conversation, among }: Pick<StreamPlan, 'conversation' | 'among'>,
  n: number,
): { readonly id: ConversationId; readonly n: number } {
  if (among === undefined) return { id: conversation as ConversationId, n };
  const id = `${conversation}-${String((n - 1) % among)}` as ConversationId;
  return { id, n: 1 + Math.floor((n - 1) / among) };
}

export type LoadMode =
  | { readonly kind: 'saturated' }
  /** The first stream alone, each message a pause behind the one before being acknowledged and delivered to all. */
  | { readonly kind: 'single'; readonly pauseMs: number }
  /** Of so many of the first streams; left out: of all. */
  | { readonly kind: 'open'; readonly perSecond: number; readonly streams?: number }
  /**
   * Messages are due at a rate while it is measured, and everything that was due is sent sooner or later: what does not
   * fit into a writer's window waits there. Measured until the last one is through.
   */
  | { readonly kind: 'burst'; readonly perSecond: number };

export interface LoadRun {
  readonly mode: LoadMode;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** How long what is under way may take to arrive after the last send. */
  readonly drainMs: number;
}

/** What one run came to. Latencies are HDR histograms, compressed, in base64. */
export interface LoadResult {
  /** Over the whole run, warm-up and drain included. */
  readonly sent: number;
  readonly acked: number;
  readonly delivered: number;
  /** Sends that the server refused and that were sent again. */
  readonly refused: number;
  readonly duplicated: number;
  readonly gaps: number;
  /** While it was measured. */
  readonly measured: { readonly acked: number; readonly delivered: number; readonly seconds: number };
  readonly ack: string;
  readonly deliver: string;
  /** From when a message was due until the last of its receivers had it. */
  readonly last: string;
  /** Acks a second, for each tenth of the measured time. */
  readonly series: readonly number[];
  /** Null unless it was a burst. */
  readonly burst: BurstLoad | null;
  /** What went wrong, for people: the first few. */
  readonly faults: readonly string[];
}

export interface BurstLoad {
  /** Messages that were due. */
  readonly due: number;
  /** For how long messages were due, and how long it took from there until the last one was through. */
  readonly seconds: number;
  readonly tailSeconds: number;
  /** The most that waited at their writers at one moment. */
  readonly waitingMax: number;
}

export type LoadCommand =
  | { readonly op: 'open'; readonly plan: LoadPlan }
  /** Every device shows the conversation of the plan, or does not any more. */
  | { readonly op: 'show'; readonly isShown: boolean }
  /** Answered by how many seconds it took until all devices had taken the step. */
  | { readonly op: 'lobbies'; readonly step: LobbyStep }
  /** Answered by what came of the messages in lobbies (see LobbiesHeard). */
  | { readonly op: 'heard' }
  /** Asks on every connection whether the other end is there; answered by how many of them were answered. */
  | { readonly op: 'alive' }
  | { readonly op: 'run'; readonly run: LoadRun }
  /** While a run is under way: its measured time ends. Without an answer of its own. */
  | { readonly op: 'enough' };
