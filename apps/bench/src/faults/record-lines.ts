import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';

/** The lines of a file of JSON Lines, in their order. A last line that was cut off by a crash is left out. */
export function readLines(path: string): readonly unknown[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, index, lines): readonly unknown[] => {
      if (line.trim() === '') return [];
      try {
        return [JSON.parse(line)];
      } catch (error) {
        if (index === lines.length - 1) return [];
        throw new Error(`line ${String(index + 1)} of ${path} is no JSON`, { cause: error });
      }
    });
}

export function appendLine(path: string, record: object): void {
  mkdirSync(dirname(path), { recursive: true });
  // A line that a crash cut off is of no use to anybody.
  const whole = existsSync(path) ? readFileSync(path).lastIndexOf('\n') + 1 : 0;
  if (existsSync(path)) truncateSync(path, whole);
  appendFileSync(path, `${JSON.stringify(record)}\n`);
}
