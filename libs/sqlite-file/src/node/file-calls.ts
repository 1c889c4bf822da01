import type { Result } from '@millrace/kernel';

/** A file as people are told of it: what it is, and where. */
export interface FileName {
  /** `archive`, `search index`. */
  readonly noun: string;
  readonly path: string;
}

export const nameOfFile = ({ noun, path }: FileName): string => `The ${noun} ${path}`;

/** The file could not be asked, or did not answer in time. What was asked may have happened, whole. */
export interface FileUnavailable {
  readonly code: 'unavailable';
  readonly retry: 'backoff';
  readonly message: string;
  readonly whatToDo: string;
}

export function fileUnavailable(message: string, whatToDo: string): FileUnavailable {
  return { code: 'unavailable', retry: 'backoff', message, whatToDo };
}

/** What a thread of a file is asked, by name. All of it is done when it returns. */
export type FileCalls<Calls> = {
  readonly [Name in keyof Calls]: (...args: never[]) => unknown;
};

/** `close` ends the thread when everything before it is done. */
export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

export type ReplyMessage<OpenError> =
  | { readonly kind: 'opened'; readonly outcome: Result<void, OpenError> }
  | { readonly kind: 'answer'; readonly id: number; readonly outcome: Result<unknown, FileUnavailable> }
  /** A bug of ours, not an error of the world. */
  | { readonly kind: 'bug'; readonly id: number; readonly message: string };
