import type { NodeId, Result } from '@millrace/kernel';

/** The store could not be asked. What was asked may have happened or not. */
export interface StreamError {
  readonly code: 'unavailable';
  readonly message: string;
}

/**
 * What came of adding one entry to a node's stream.
 *
 * - `sent`: it is in the stream. The reader takes it, unless the store loses it.
 * - `full`: what the reader has not taken is over the bound. It was not added.
 * - `gone`: the stream does not exist: the node's run is over, or the store lost the stream. It was not added.
 * - `unavailable`: the store was not reached or refused. It was surely not added.
 * - `unknown`: the reply was lost. It was added, or will be, or not.
 */
export type SendAnswer =
  { readonly code: 'sent' | 'full' | 'gone' } | { readonly code: 'unavailable' | 'unknown'; readonly message: string };

/** What one stream holds at most of what its reader has not taken. */
export interface StreamBounds {
  readonly entriesMax: number;
  /** The entry that crosses it is still added, so a stream holds less than this and one entry more. */
  readonly bytesMax: number;
}

/** The one reader of a node's stream, from {@link NodeStreams.open} to {@link Reader.close}. */
export interface Reader {
  /**
   * Calls `listener` each time the stream had vanished, or had gone back to before what was taken already, and was
   * created anew: entries that were `sent` may never be taken. Returns how to stop listening.
   */
  onReset(listener: () => void): () => void;
  /** Takes nothing from now on, and deletes the stream: what is sent to the node later is `gone`. */
  close(): Promise<void>;
}

/**
 * One stream of entries for each node: how other nodes reach it, and the queue that absorbs bursts between them. One
 * suite (`@millrace/node-link/conformance`) holds every implementation to this:
 *
 * - A stream exists from `open` until `close` or `discard`, also while it is empty, and is deleted by the store itself
 *   when its reader has not been heard of for minutes.
 * - `open` creates the stream of a run, empty whatever there was, and hands to `take` every entry of it once, in the
 *   order in which they were added, as soon as they are there. Nothing is polled. The reader keeps its own place: it
 *   survives reconnects, and goes on from there.
 * - What was taken is trimmed by that place. Nothing is ever trimmed to make room: a `send` over the bounds is `full`.
 * - The sends of one turn of the event loop to one node are added in the order in which they were made, together, and
 *   if one of them is `full` those behind it are, too. A send that is made before an earlier one was answered may else
 *   overtake it.
 * - `send` never rejects, and adds an entry at most once: it does not retry behind the caller's back (I5). It may keep
 *   the entry's bytes until it has answered, so they must not change.
 * - `discard` deletes the stream of a run that is over, so that nobody waits for it.
 */
export interface NodeStreams {
  /** @param take - must not throw, and may keep the bytes. */
  open(node: NodeId, take: (entries: readonly Uint8Array[]) => void): Promise<Result<Reader, StreamError>>;
  /** @param entry - at least one byte. */
  send(to: NodeId, entry: Uint8Array): Promise<SendAnswer>;
  discard(node: NodeId): Promise<Result<null, StreamError>>;
}
