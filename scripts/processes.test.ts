import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { endAll, endMarked, processesMarked, run } from './lib/processes.mjs';

const MARK = 'MILLRACE_PROCESSES_TEST';
const fresh = (): { value: string; env: NodeJS.ProcessEnv } => {
  const value = randomBytes(8).toString('hex');
  return { value, env: { ...process.env, [MARK]: value } };
};
const count = (value: string): number => processesMarked(MARK, value).length;

describe('what the scripts start', () => {
  it('reports how it ended: its code, a signal, or that it is not there', async () => {
    expect(await run('sh', ['-c', 'echo out; echo err >&2; exit 3'], { capture: true })).toEqual({
      code: 3,
      output: expect.stringMatching(/out[^]*err|err[^]*out/) as string,
    });
    expect((await run('sh', ['-c', 'kill -9 $$'], { capture: true })).code).toBe(128);
    expect((await run('/no/such/program', [], { capture: true })).code).toBe(127);
  });

  it('is ended with everything below it, also what ignores the request to end', async () => {
    const { value, env } = fresh();
    const running = run('sh', ['-c', "(trap '' TERM; sleep 300 & wait; sleep 300) & sleep 300"], {
      env,
      capture: true,
    });
    await vi.waitUntil(() => count(value) >= 4, 10_000);
    await endAll('SIGTERM', 300);
    expect((await running).code).toBe(128);
    expect(count(value)).toBe(0);
  });

  it('is found in a session of its own, ended, and named', async () => {
    const { value, env } = fresh();
    const stray = spawn('sleep', ['301'], { env, detached: true, stdio: 'ignore' });
    stray.unref();
    await vi.waitUntil(() => count(value) === 1, 10_000);
    const left = await endMarked(MARK, value, 100);
    expect(left).toEqual([{ pid: stray.pid, command: 'sleep 301' }]);
    await vi.waitUntil(() => count(value) === 0, 10_000);
  });
});
