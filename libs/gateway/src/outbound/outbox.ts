import { encodeServerFrames, type Encoding, type ServerFrame, type WireEntry } from '@millrace/protocol';
import type { EngineSocket } from '../engine/socket-engine.ts';
import type { TurnQueue } from '../engine/turn-queue.ts';
import type { GatewayObserver } from '../observer.ts';

export interface OutboxParts {
  readonly socket: Pick<EngineSocket<unknown>, 'send' | 'bufferedBytes'>;
  readonly encoding: Encoding;
  readonly turn: TurnQueue<Outbox>;
  readonly observer: GatewayObserver;
  /** The socket took nothing: answers are lost, so it has to be closed. */
  readonly onOverflow: () => void;
}

/** Frames joined into one WebSocket message: a larger burst leaves as several. */
const FRAMES_PER_MESSAGE = 200;

/** What one session is to be sent: gathered over a turn of the event loop, encoded as one WebSocket message. */
export class Outbox {
  readonly #parts: OutboxParts;
  #frames: ServerFrame<WireEntry>[] = [];

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  add(frame: ServerFrame<WireEntry>): void {
    this.#frames.push(frame);
    if (this.#frames.length === 1) this.#parts.turn.add(this);
    else if (this.#frames.length >= FRAMES_PER_MESSAGE) this.#send();
  }

  /** Called at the end of the turn. */
  flush(): void {
    if (this.#frames.length > 0) this.#send();
  }

  #send(): void {
    const { socket, encoding, observer, onOverflow } = this.#parts;
    const frames = this.#frames;
    // Keeps its place in the turn's queue: the rest of a burst follows at the end of the turn.
    this.#frames = [];
    const message = encodeServerFrames(frames, encoding);
    observer.framesOut(frames.length, message.length);
    if (socket.send(message, encoding === 'binary') === 'dropped') onOverflow();
  }
}
