import { parentPort } from 'node:worker_threads';
import { InvariantViolation, err, invariant, ok, type Result } from '@millrace/kernel';
import { fileUnavailable, nameOfFile, type CallMessage, type FileName, type ReplyMessage } from './file-calls.ts';
import { FileReplaced } from './file-number.ts';
import { unavailableOf } from './sqlite-errors.ts';

export interface ServedFile<Calls, OpenError> {
  readonly file: FileName;
  open(): Result<Calls & { close(): void }, OpenError>;
  /** What to do when the file is not sound any more. */
  readonly ifDamaged: string;
  /** What to do when the file was moved or deleted. */
  readonly ifReplaced: string;
  /** Memory of an answer that goes over to who asked. */
  memoryOf?(answer: unknown): readonly ArrayBuffer[];
}

/**
 * The program of a thread of a file: SQLite's calls wait for the disk, and no socket may wait with them. Answers the
 * calls of a `FileThread`, one after the other, until it is closed.
 */
export function serveFile<Calls, OpenError>(served: ServedFile<Calls, OpenError>): void {
  invariant(parentPort !== null, 'this program runs as a thread');
  const port = parentPort;
  const { file: name, ifDamaged, ifReplaced } = served;

  const post = (
    reply: ReplyMessage<OpenError | { code: 'unavailable'; message: string; whatToDo: string }>,
    memory: readonly ArrayBuffer[] = [],
  ): void => {
    port.postMessage(reply, memory);
  };

  const opened = ((): (Calls & { close(): void }) | null => {
    try {
      const outcome = served.open();
      post({ kind: 'opened', outcome: outcome.ok ? ok(undefined) : outcome });
      return outcome.ok ? outcome.value : null;
    } catch (error) {
      const { message, whatToDo } = unavailableOf(name, error, ifDamaged);
      post({ kind: 'opened', outcome: err({ code: 'unavailable', message, whatToDo }) });
      return null;
    }
  })();
  if (opened === null) {
    port.close();
    return;
  }

  const calls = opened as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  port.on('message', ({ id, name: call, args }: CallMessage) => {
    if (call === 'close') {
      opened.close();
      post({ kind: 'answer', id, outcome: ok(undefined) });
      port.close();
      return;
    }
    try {
      const value = calls[call]?.(...args);
      post({ kind: 'answer', id, outcome: ok(value) }, served.memoryOf?.(value));
    } catch (error) {
      if (error instanceof InvariantViolation) post({ kind: 'bug', id, message: error.message });
      else if (error instanceof FileReplaced)
        post({
          kind: 'answer',
          id,
          outcome: err(fileUnavailable(`${nameOfFile(name)}: ${error.message}.`, ifReplaced)),
        });
      else post({ kind: 'answer', id, outcome: err(unavailableOf(name, error, ifDamaged)) });
    }
  });
}
