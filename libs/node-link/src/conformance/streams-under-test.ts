import type { NodeStreams, StreamBounds } from '../node-streams.ts';

/** One store that holds no streams yet. */
export interface StreamsUnderTest {
  /** Of every stream that is opened. */
  readonly bounds: StreamBounds;
  /** Another client of the store. */
  connect(): Promise<NodeStreams>;
  /** Resolves as `promise` does, and lets time run until then where time has to be told to. */
  settled<T>(promise: Promise<T>): Promise<T>;
  /** Lets a few milliseconds pass, before something is tried again. */
  breathe(): Promise<void>;
  /** Resolves once the condition holds. */
  until(condition: () => boolean): Promise<void>;
  /** The store loses every stream. */
  loseEverything(): Promise<void>;
  /** Every client loses its connection and makes a new one. */
  reconnect(): Promise<void>;
  close(): Promise<void>;
}

/** Called for each test. */
export type OpenStreams = () => Promise<StreamsUnderTest>;
