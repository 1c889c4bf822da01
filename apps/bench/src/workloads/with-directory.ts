import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchHost } from './bench-host.ts';

/** A directory for as long as the job takes; it is gone behind it, also when the bench is interrupted. */
export async function withDirectory<T>(host: BenchHost, name: string, job: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), `millrace-${name}-`));
  const tidy = (): Promise<void> => {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    return Promise.resolve();
  };
  host.onStop(tidy);
  try {
    return await job(dir);
  } finally {
    await tidy();
  }
}
