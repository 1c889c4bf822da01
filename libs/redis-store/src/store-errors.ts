/**
 * What an error of the client means for the call that met it. `refused`: the call did not execute, it may be made again
 * later. `unknown`: it may or may not have executed (I5).
 */
export interface Trouble {
  readonly kind: 'refused' | 'unknown';
  readonly message: string;
}

/** Error codes with which Redis refuses a function call whole, before its first command. */
const REFUSALS = new Set([
  'OOM', // over maxmemory
  'READONLY', // a replica
  'LOADING', // reading its log after a start
  'CLUSTERDOWN',
  'MASTERDOWN',
  'NOREPLICAS', // min-replicas-to-write
  'MISCONF', // it cannot write its log or snapshot
  'BUSY', // another script runs for seconds
  'MOVED',
  'ASK',
  'TRYAGAIN',
  'CROSSSLOT',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  'DENIED',
]);

/** How the client says that it never wrote a command to a socket. */
const NEVER_SENT = ["Stream isn't writeable", "Cluster isn't ready"];

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** It was a master: whoever made it a replica need not have closed its connections, as the Sentinels do. */
export const isDemotion = (message: string): boolean => message.startsWith('READONLY ');

/**
 * Classifies what a call was rejected with. Whatever is not known to be a refusal is `unknown`: a lost connection with
 * the call written, and an error of a function, which may have written half.
 */
export function troubleOf(error: unknown): Trouble {
  const message = messageOf(error);
  const code = /^[A-Z]+(?= |$)/.exec(message)?.[0];
  if (code !== undefined && REFUSALS.has(code)) return { kind: 'refused', message: `Redis refused: ${message}` };
  if (NEVER_SENT.some((text) => message.startsWith(text)))
    return { kind: 'refused', message: 'Redis is not reachable' };
  return { kind: 'unknown', message };
}
