/** Where the programs are that the bench starts, and how it tells what it does. */
export interface BenchHost {
  readonly benchBundle: string;
  readonly serverBundle: string;
  /** What Node is told of the servers, beside. */
  readonly serverArgs?: readonly string[];
  readonly cliBundle: string;
  readonly faultsBundle: string;
  /** Where the programs are that Millrace is measured beside, with what they need. */
  readonly peersDir: string;
  /** Where the suite writes figures that were measured as they must be. */
  readonly performancePage: string;
  readonly progress: (text: string) => void;
  /** Run in reverse order when the bench is interrupted; each must be harmless when all is well. */
  readonly onStop: (stop: () => Promise<void>) => void;
}
