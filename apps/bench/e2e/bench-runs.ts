import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FrameReport } from '@millrace/protocol/frame-check';
import { CheckingRelay } from '@millrace/raw-client/testing';
import { expect } from 'vitest';
import type { BenchReport } from '../src/report/bench-report.ts';
import { environmentOf, processIds } from './process-environment.ts';

const BENCH = fileURLToPath(new URL('../../../dist/bench.mjs', import.meta.url));
/** So that a test of the work that was done takes little. */
export const BRIEF = ['--rounds', '1', '--seconds', '0.3', '--warmup', '0.1', '--scale', '0.04'];

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly notes: string;
  /** What the bench's processes exchanged with its server. */
  readonly frames: FrameReport;
}

export interface Measured {
  readonly report: BenchReport;
  readonly checkedByName: FrameReport['checkedByName'];
  readonly out: string;
}

/** Runs the bench as built, in directories of its own, with every frame between it and its server held against the protocol. */
export class BenchRuns {
  readonly dir = mkdtempSync(join(tmpdir(), 'mr-bench-'));
  /** Where the bench and all that it starts keep their things. */
  readonly temporary = mkdtempSync(join(this.dir, 't'));

  end(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Processes that were started with the bench's temporary directory and still run. */
  leftRunning(): readonly string[] {
    return processIds().filter((pid) => environmentOf(pid).get('TMPDIR') === this.temporary);
  }

  /** Finds the server that the bench runs now, on a port of its choosing. */
  #serverFinder(): () => string | null {
    const portOf = (pid: string): string | undefined => {
      const environment = environmentOf(pid);
      return environment.get('TMPDIR') === this.temporary ? environment.get('MILLRACE_SOCKET_PORT') : undefined;
    };
    let server = '';
    return () => {
      // One process is looked at for each connection, and all of them for each server.
      if (portOf(server) === undefined) server = processIds().find((pid) => portOf(pid) !== undefined) ?? '';
      const port = portOf(server);
      return port === undefined ? null : `ws://127.0.0.1:${port}`;
    };
  }

  /**
   * @param interruptAt - interrupts it when its notes match.
   * @param isRelayed - false where it has several deployments at once: the relay stands before one, and no frame is looked at.
   */
  async bench(args: readonly string[], interruptAt?: RegExp, isRelayed = true): Promise<Ended> {
    const relay = await CheckingRelay.start(this.#serverFinder());
    const reports = join(this.dir, 'reports');
    const child = spawn(process.execPath, ['--enable-source-maps', BENCH, ...args, '--reports', reports], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its server, which it hands its environment on to, tells everyone to connect to the relay.
      env: {
        PATH: process.env['PATH'],
        TMPDIR: this.temporary,
        ...(isRelayed ? { MILLRACE_SOCKET_URL: relay.url } : {}),
      },
    });
    let out = '';
    let notes = '';
    let interrupted = false;
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => {
      notes += chunk.toString('utf8');
      if (interrupted || interruptAt?.test(notes) !== true) return;
      interrupted = true;
      child.kill('SIGINT');
    });
    await once(child, 'close');
    await relay.close();
    return { code: child.exitCode, out, notes, frames: relay.takeFrameCheck() };
  }

  reportOf(name: string): BenchReport {
    return JSON.parse(readFileSync(join(this.dir, `${name}.json`), 'utf8')) as BenchReport;
  }

  /** One that must end well, and leave nothing behind. */
  measured(workload: string, ...options: readonly string[]): Promise<Measured> {
    return this.#measured(workload, options, true);
  }

  /** The same of a workload with several deployments at once, without a look at the frames. */
  measuredApart(workload: string, ...options: readonly string[]): Promise<Measured> {
    return this.#measured(workload, options, false);
  }

  async #measured(workload: string, options: readonly string[], isRelayed: boolean): Promise<Measured> {
    const args = [workload, ...BRIEF, ...options, '--json', join(this.dir, `${workload}.json`)];
    const { code, out, notes, frames } = await this.bench(args, undefined, isRelayed);
    expect(code, notes).toBe(0);
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/^checked \d+ sent, .*: 0 lost, 0 duplicated, 0 gaps$/);
    expect(this.leftRunning()).toEqual([]);
    expect(readdirSync(this.temporary)).toEqual([]);
    expect(frames.problems).toEqual([]);
    return { report: this.reportOf(workload), checkedByName: frames.checkedByName, out };
  }
}
