/** Where the programs are that the bench starts, and how it tells what it does. */
export interface BenchHost {
  readonly benchBundle: string;
  readonly serverBundle: string;
  readonly progress: (text: string) => void;
  /** Run in reverse order when the bench is interrupted; each must be harmless when all is well. */
  readonly onStop: (stop: () => Promise<void>) => void;
}
