import { MalformedBytes } from '@millrace/kernel';
import {
  encodeServerFrames,
  frameError,
  type Encoded,
  type Encoding,
  type ServerFrame,
  type WireEntry,
} from '@millrace/protocol';
import type { EngineSocket } from '../engine/socket-engine.ts';
import type { TurnQueue } from '../engine/turn-queue.ts';
import type { GatewayObserver } from '../observer.ts';

/** What the outboxes of all sessions have in common. */
export interface OutboxParts {
  readonly sendBufferBytesMax: number;
  readonly turn: TurnQueue<Outbox>;
  readonly observer: GatewayObserver;
}

/** Whose outbox it is. */
export interface OutboxOwner {
  readonly socket: Pick<EngineSocket<unknown>, 'send' | 'bufferedBytes'>;
  readonly encoding: Encoding;
  /** More waits for this socket than may: what is lost is an answer, so it has to be closed. */
  overflowed(): void;
  /** A stored entry cannot be read. */
  damaged(error: MalformedBytes): void;
}

/** Frames joined into one WebSocket message: a larger burst leaves as several. */
const FRAMES_PER_MESSAGE = 200;
/** Frames that may wait for a socket that takes nothing: the answers of a full window of requests, and their like. */
const FRAMES_WAITING_MAX = 2_048;

/** What stands for a frame whose stored entries cannot be read: a refusal of the request, or word of the hole (I9). */
function standIn(frame: ServerFrame<WireEntry>): ServerFrame<WireEntry> {
  if (!('id' in frame)) return { t: 'resync', reason: 'moved' };
  const error = frameError('internal', 'a stored entry of this answer cannot be read; it has been logged');
  return { t: 'error', id: frame.id, ...error };
}

/**
 * What one session is to be sent: gathered over a turn of the event loop and encoded as one WebSocket message. While the
 * socket's send buffer is over its bound the frames wait here, a bounded number of them.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #owner: OutboxOwner;
  #frames: ServerFrame<WireEntry>[] = [];
  #isQueued = false;

  constructor(parts: OutboxParts, owner: OutboxOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  /** Whether the socket takes nothing more at the moment. */
  get isBlocked(): boolean {
    return this.#owner.socket.bufferedBytes() >= this.#parts.sendBufferBytesMax;
  }

  add(frame: ServerFrame<WireEntry>): void {
    this.#frames.push(frame);
    if (this.#frames.length >= FRAMES_PER_MESSAGE) {
      this.#send();
      if (this.#frames.length >= FRAMES_WAITING_MAX) this.#owner.overflowed();
    }
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#parts.turn.add(this);
  }

  /** Called at the end of the turn, and when the socket has drained. */
  flush(): void {
    this.#isQueued = false;
    this.#send();
  }

  #send(): void {
    while (this.#frames.length > 0 && !this.isBlocked) {
      const frames = this.#frames;
      this.#frames = frames.length > FRAMES_PER_MESSAGE ? frames.splice(FRAMES_PER_MESSAGE) : [];
      this.#sendMessage(frames);
    }
  }

  #sendMessage(frames: readonly ServerFrame<WireEntry>[]): void {
    const { socket, encoding } = this.#owner;
    const message = this.#encode(frames);
    this.#parts.observer.framesOut(frames.length, message.length);
    socket.send(message, encoding === 'binary');
  }

  #encode(frames: readonly ServerFrame<WireEntry>[]): Encoded {
    const { encoding } = this.#owner;
    try {
      return encodeServerFrames(frames, encoding);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.#owner.damaged(error);
    }
    return encodeServerFrames(
      frames.map((frame) => (this.#isReadable(frame) ? frame : standIn(frame))),
      encoding,
    );
  }

  #isReadable(frame: ServerFrame<WireEntry>): boolean {
    try {
      encodeServerFrames([frame], this.#owner.encoding);
      return true;
    } catch (error) {
      if (error instanceof MalformedBytes) return false;
      throw error;
    }
  }
}
