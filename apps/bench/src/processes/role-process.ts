import { fork, type ChildProcess } from 'node:child_process';
import type { ProcessName, RoleMessage } from './role.ts';

/** Another process of this program: a load generator or a relay. Or a peer, which speaks to its parent in the same way. */
export class RoleProcess {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  #onEdge: (edge: 'begin' | 'end') => void = () => undefined;
  #ended: Error | null = null;

  private constructor(child: ChildProcess, role: ProcessName) {
    this.#child = child;
    child.on('message', (message: RoleMessage) => {
      if (message.event === 'edge') this.#onEdge(message.edge);
      else if (message.event === 'failed') this.#waiting.shift()?.reject(new Error(message.message));
      else this.#waiting.shift()?.resolve(message.value);
    });
    child.on('exit', (code, signal) => {
      this.#ended = new Error(`the ${role} process ended (${signal ?? String(code)})`);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
    });
  }

  /**
   * @param program - the bundle of the bench.
   * @returns the process, and what it said when it was ready.
   */
  static async start(
    program: string,
    role: ProcessName,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly process: RoleProcess; readonly value: unknown }> {
    const child = fork(program, ['--role', role, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, ...environment },
      // The same in a suite as alone: source maps that are read at its start would be garbage that hides what connections take.
      execArgv: [],
    });
    const started = new RoleProcess(child, role);
    try {
      return { process: started, value: await started.#next() };
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #next(): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  /** One command at a time. */
  ask(command: object, onEdge: (edge: 'begin' | 'end') => void = () => undefined): Promise<unknown> {
    this.#onEdge = onEdge;
    const answer = this.#next();
    if (this.#ended === null) this.#child.send(command);
    return answer;
  }

  /** Says something that is not answered, also while a command is under way. */
  tell(command: object): void {
    if (this.#ended === null) this.#child.send(command);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => {
      this.#child.once('exit', () => {
        resolve();
      });
    });
    this.#child.kill('SIGKILL');
    await exited;
  }
}
