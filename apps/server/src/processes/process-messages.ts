import type { Worker } from 'node:cluster';
import type { ServerAddresses } from '../compose.ts';

/** What a process is told before it does anything. */
export interface StartOrder {
  readonly t: 'start';
  /** Nobody serves yet: it answers HTTP from the beginning, to say what it waits for. Else it does so once it serves. */
  readonly isFirst: boolean;
  /** It is to say what it would advise about the settings of Redis, on behalf of all. */
  readonly advises: boolean;
}

/** From the parent to one of its processes. */
export type ToProcess =
  | StartOrder
  | { readonly t: 'stop'; readonly why: string }
  /** The answer to `drained`: no client is left on those that stop with it, so it may stop serving them. */
  | { readonly t: 'goOn' }
  | { readonly t: 'measure'; readonly id: number }
  /** Null: the parent cannot tell. */
  | { readonly t: 'collected'; readonly id: number; readonly text: string | null };

/** From a process to the parent. */
export type FromProcess =
  /** It listens to us: what is sent before is lost. */
  | { readonly t: 'up' }
  | { readonly t: 'serving'; readonly addresses: ServerAddresses }
  /** It cannot start, and ends. */
  | { readonly t: 'refused'; readonly problem: string }
  /** Another run of its node has registered: there is a second server of this name. */
  | { readonly t: 'replaced'; readonly why: string }
  /** It was told to stop, by us or by a signal. */
  | { readonly t: 'stopping' }
  /** It has no client any more. */
  | { readonly t: 'drained' }
  | { readonly t: 'measured'; readonly id: number; readonly metrics: readonly object[] }
  | { readonly t: 'collect'; readonly id: number };

/** Sends, unless the process is gone: then its exit says everything. */
export function tell(worker: Worker, message: ToProcess): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}

/** Others may use the channel, too: what is none of ours is passed over. What is ours comes from the same program. */
export const isOurs = (message: unknown): message is { readonly t: unknown } =>
  typeof message === 'object' && message !== null && 't' in message;
