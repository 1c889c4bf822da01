/** What a load generator is told to do: as JSON, for it is a process of its own. */
export interface LoadPlan {
  /** A Millrace server, or the relay that is its floor. */
  readonly target: 'millrace' | 'relay';
  readonly websocket: string;
  /** Signs the users' tokens; not needed for the relay. */
  readonly secret: string;
  readonly device: string;
  /** One connection each. */
  readonly users: readonly string[];
  readonly streams: readonly StreamPlan[];
  /** Messages of a stream that may be under way: sent, and not yet acknowledged and delivered to all. */
  readonly window: number;
  readonly payloadBytes: number;
}

/** The messages of one sender into one conversation. */
export interface StreamPlan {
  /** Index of its user. */
  readonly sender: number;
  readonly conversation: string;
  /** For the relay: the connection to pass it on to, or null for all. */
  readonly peer: number | null;
  /** How often each message is delivered. */
  readonly deliveries: number;
}

export type LoadMode = { readonly kind: 'saturated' } | { readonly kind: 'open'; readonly perSecond: number };

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
  /** Acks a second, for each tenth of the measured time. */
  readonly series: readonly number[];
  /** What went wrong, for people: the first few. */
  readonly faults: readonly string[];
}

export type LoadCommand =
  { readonly op: 'open'; readonly plan: LoadPlan } | { readonly op: 'run'; readonly run: LoadRun };
