import { spawn } from 'node:child_process';

export interface CommandOutcome {
  /** The exit code; 127 when the program could not be started, 128 when a signal ended it. */
  readonly code: number;
  readonly output: string;
}

const OUTPUT_KEPT_MAX = 64 * 1024;

/** Runs a program without a terminal and gathers its last output. Never rejects: a failure is a code. */
export function runCommand(
  command: string,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let partial = '';
    const take = (chunk: Buffer): void => {
      const text = chunk.toString('utf8');
      output = (output + text).slice(-OUTPUT_KEPT_MAX);
      if (onLine === undefined) return;
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') onLine(line);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => {
      resolve({ code: 127, output: error.message });
    });
    child.on('close', (code) => {
      resolve({ code: code ?? 128, output });
    });
  });
}
