import type { Timers } from '@millrace/kernel';
import { joinEncoded, type Encoded, type Encoding } from '@millrace/protocol';

/** Sockets that listen to one topic: as many as one turn of the event loop may write to. */
export interface Topic {
  readonly name: string;
  readonly encoding: Encoding;
  readonly size: number;
}

export interface PublisherParts<T extends Topic> {
  readonly timers: Timers;
  /** To every socket that listens to the topic. */
  publish(topic: T, message: Encoded): void;
  /** Writes now what was published. */
  flush(): void;
  /** What was to be published waited too long: those who listen have to be told that they lack it. */
  shed(topic: T): void;
}

interface Pending {
  readonly frames: Encoded[];
  length: number;
}

/** A write to a socket takes some µs: so many are some milliseconds. */
export const SOCKETS_PER_TURN = 1_000;
/** Frames of one topic that wait, and leave as one message; over it they are left out (I9). */
const FRAMES_MAX = 200;
const LENGTH_MAX = 1_048_576;

/**
 * Publishes to many sockets, a bounded number of them in a turn of the event loop, so that answers to others go out in
 * between. What comes for a topic while it waits for its turn leaves with it, as one message; the bytes are shared by all
 * topics.
 */
export class Publisher<T extends Topic> {
  readonly #parts: PublisherParts<T>;
  /** In the order in which they are to have their turn. */
  readonly #pending = new Map<T, Pending>();
  #isScheduled = false;

  constructor(parts: PublisherParts<T>) {
    this.#parts = parts;
  }

  /** @param frame - one frame, in the encoding of the topic. */
  add(topic: T, frame: Encoded): void {
    const pending = this.#pending.get(topic) ?? { frames: [], length: 0 };
    if (pending.frames.length >= FRAMES_MAX || (pending.length > 0 && pending.length + frame.length > LENGTH_MAX)) {
      this.#pending.delete(topic);
      this.#parts.shed(topic);
      return;
    }
    pending.frames.push(frame);
    pending.length += frame.length;
    this.#pending.set(topic, pending);
    this.#schedule();
  }

  /** Publishes now what waits: before somebody begins to listen, or ends. */
  finish(topic: T): void {
    const pending = this.#pending.get(topic);
    if (pending === undefined) return;
    this.#pending.delete(topic);
    if (topic.size > 0) this.#parts.publish(topic, joinEncoded<Encoding>(pending.frames, topic.encoding));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.timers.soon(() => {
      this.#isScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    let sockets = 0;
    for (const topic of [...this.#pending.keys()]) {
      if (sockets > 0 && sockets + topic.size > SOCKETS_PER_TURN) break;
      sockets += topic.size;
      this.finish(topic);
    }
    this.#parts.flush();
    if (this.#pending.size > 0) this.#schedule();
  }
}
