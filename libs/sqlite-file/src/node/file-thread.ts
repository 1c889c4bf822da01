import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { InvariantViolation, err, ok, type Cancel, type Result, type Timers } from '@millrace/kernel';
import {
  fileUnavailable,
  nameOfFile,
  type CallMessage,
  type FileCalls,
  type FileName,
  type FileUnavailable,
  type ReplyMessage,
} from './file-calls.ts';

export interface FileThreadLimits {
  /** Calls under way or waiting; one more is `unavailable` at once. */
  readonly pendingMax: number;
  /** A call that has no answer by then is `unavailable`; it may still happen. */
  readonly answerMsMax: number;
}

export interface ThreadNotStarted {
  readonly code: 'unavailable';
  readonly message: string;
  readonly whatToDo: string;
}

export interface ThreadStart {
  readonly file: FileName;
  /** The bundled program, which calls `serveFile`. */
  readonly program: URL;
  /** Which of the file's threads it is, for the tools that list threads. */
  readonly name: string;
  /** What the program is told: its `workerData`. */
  readonly task: unknown;
  readonly limits: FileThreadLimits;
  readonly timers: Timers;
}

interface Pending {
  readonly resolve: (outcome: Result<unknown, FileUnavailable>) => void;
  readonly reject: (bug: InvariantViolation) => void;
  readonly cancel: Cancel;
}

type Method = (...args: readonly never[]) => unknown;
type Answer<Calls, Name extends keyof Calls> = Calls[Name] extends Method ? ReturnType<Calls[Name]> : never;
type Arguments<Calls, Name extends keyof Calls> = Calls[Name] extends Method ? Parameters<Calls[Name]> : never;

/**
 * One thread of a file, asked by messages. It answers in order.
 *
 * (T1) Every call is answered once: by the thread, by its deadline, or when the thread ends.
 * (T2) At most `pendingMax` calls wait.
 */
export class FileThread<Calls extends FileCalls<Calls>> {
  readonly #worker: Worker;
  readonly #file: FileName;
  readonly #limits: FileThreadLimits;
  readonly #timers: Timers;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<unknown>;
  #nextId = 1;
  #isClosed = false;
  #fault = 'it was closed';

  private constructor(worker: Worker, { file, limits, timers }: ThreadStart) {
    this.#worker = worker;
    this.#file = file;
    this.#limits = limits;
    this.#timers = timers;
    worker.on('message', (reply: ReplyMessage<unknown>) => {
      this.#take(reply);
    });
    worker.on('error', (error) => {
      this.#fault = `its thread ended: ${error instanceof Error ? error.message : String(error)}`;
    });
    this.#ended = once(worker, 'exit').catch(() => undefined);
    worker.on('exit', () => {
      if (!this.#isClosed && this.#fault === 'it was closed') this.#fault = 'its thread ended';
      this.#isClosed = true;
      for (const id of [...this.#pending.keys()]) this.#settle(id, err(this.#gone()));
    });
  }

  static async start<Calls extends FileCalls<Calls>, OpenError>(
    how: ThreadStart,
  ): Promise<Result<FileThread<Calls>, OpenError | ThreadNotStarted>> {
    const { file, program, name, task } = how;
    const worker = new Worker(program, { workerData: task, name });
    const outcome = await new Promise<Result<void, OpenError | ThreadNotStarted>>((resolve) => {
      const failed = (reason: string): void => {
        const whatToDo = `Build Millrace again: ${program.pathname} must be there.`;
        const message = `The thread for the ${file.noun} ${file.path} did not start: ${reason}.`;
        resolve(err({ code: 'unavailable', message, whatToDo }));
      };
      worker.once('message', (reply: ReplyMessage<OpenError>) => {
        if (reply.kind === 'opened') resolve(reply.outcome);
      });
      worker.once('error', (error) => {
        failed(error instanceof Error ? error.message : String(error));
      });
      worker.once('exit', () => {
        failed('it ended at once');
      });
    });
    if (outcome.ok) return ok(new FileThread<Calls>(worker, how));
    await worker.terminate();
    return outcome;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** @param memory - buffers that go over to the thread and are empty here from now on. */
  call<Name extends keyof Calls & string>(
    name: Name,
    args: Arguments<Calls, Name>,
    memory: readonly ArrayBuffer[] = [],
  ): Promise<Result<Answer<Calls, Name>, FileUnavailable>> {
    if (this.#isClosed) return Promise.resolve(err(this.#gone()));
    if (this.#pending.size >= this.#limits.pendingMax) {
      const message = `${nameOfFile(this.#file)} has ${String(this.#pending.size)} calls waiting.`;
      return Promise.resolve(err(fileUnavailable(message, 'Try again a little later, with fewer calls at once.')));
    }
    return this.#send(name, args, memory) as Promise<Result<Answer<Calls, Name>, FileUnavailable>>;
  }

  /** Lets what is under way end first. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      const closing = this.#send('close', [], []);
      this.#isClosed = true;
      await closing;
    }
    await this.#ended;
  }

  #send(
    name: string,
    args: readonly unknown[],
    memory: readonly ArrayBuffer[],
  ): Promise<Result<unknown, FileUnavailable>> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const cancel = this.#timers.after(this.#limits.answerMsMax, () => {
        const message = `${nameOfFile(this.#file)} gave no answer within ${String(this.#limits.answerMsMax)} ms.`;
        this.#settle(id, err(fileUnavailable(message, 'Look whether its disk is overloaded or away; then try again.')));
      });
      this.#pending.set(id, { resolve, reject, cancel });
      this.#worker.postMessage({ id, name, args } satisfies CallMessage, memory);
    });
  }

  #take(reply: ReplyMessage<unknown>): void {
    if (reply.kind === 'answer') this.#settle(reply.id, reply.outcome);
    if (reply.kind === 'bug') {
      this.#pending.get(reply.id)?.reject(new InvariantViolation(reply.message));
      this.#pending.get(reply.id)?.cancel();
      this.#pending.delete(reply.id);
    }
  }

  #settle(id: number, outcome: Result<unknown, FileUnavailable>): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.cancel();
    pending?.resolve(outcome);
  }

  #gone(): FileUnavailable {
    return fileUnavailable(`${nameOfFile(this.#file)} does not answer: ${this.#fault}.`, 'Open it again.');
  }
}
