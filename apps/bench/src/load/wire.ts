import type { FrameSocket } from './frame-socket.ts';
import type { LobbyStep } from './lobbies-plan.ts';

/** What a connection hears, told as cheaply as it can be read. */
export interface WireSink {
  acked(user: number, n: number): void;
  refused(user: number, n: number, reason: string, mayRetry: boolean): void;
  /** `bytes` holds the body from `from` on. */
  delivered(user: number, bytes: Uint8Array, from: number): void;
  /** The connection cannot be trusted any more, or is gone. */
  broken(user: number, reason: string): void;
}

/** How a load generator speaks to its target. Every user has one stream at most, so `n` names a message of theirs. */
export interface Wire {
  open(user: number): Promise<FrameSocket>;
  /** The user's device shows the conversation of the plan, or does not any more; resolves when that is so. */
  show(user: number, socket: FrameSocket, isShown: boolean): Promise<void>;
  /** The user's device takes a step in the lobbies of the plan; resolves when it has. */
  lobbies(user: number, socket: FrameSocket, step: LobbyStep): Promise<void>;
  /** Asks whether the other end is there, and resolves when it says so. */
  alive(user: number, socket: FrameSocket): Promise<void>;
  /** Says something, as a client that has nothing to say must now and then. */
  ping(socket: FrameSocket): void;
  /** Sends one message. */
  write(socket: FrameSocket, stream: number, n: number, payload: Uint8Array): void;
}
