import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchOptions } from '../options.ts';
import type { Relay } from '../processes/relay.ts';
import { RoleProcess } from '../processes/role-process.ts';
import type { ProcessName, Role } from '../processes/role.ts';
import { socketAddressOf, startTarget, type Target } from '../processes/server-process.ts';
import type { BenchHost } from './bench-host.ts';
import type { MeasuredTarget } from './run-shape.ts';

/** What is being started is stopped, too, when the bench is interrupted meanwhile. */
export function stoppable<T>(host: BenchHost, starting: Promise<T>, stop: (started: T) => Promise<void>): Promise<T> {
  host.onStop(() => starting.then(stop, () => undefined));
  return starting;
}

/**
 * Another process, for as long as the job takes.
 *
 * @param program - of the bench itself, or one that says likewise when it is ready.
 */
export async function withRole<T>(
  host: BenchHost,
  role: ProcessName,
  args: readonly string[],
  job: (process: RoleProcess, value: unknown) => Promise<T>,
  program: string = host.benchBundle,
  environment: Readonly<Record<string, string>> = {},
): Promise<T> {
  const starting = RoleProcess.start(program, role, args, environment);
  const { process, value } = await stoppable(host, starting, (started) => started.process.stop());
  try {
    return await job(process, value);
  } finally {
    await process.stop();
  }
}

export const withLoad = <T>(host: BenchHost, job: (load: RoleProcess) => Promise<T>, role: Role = 'load'): Promise<T> =>
  withRole(host, role, [], (process) => job(process));

/** The floor. The job is told which engine it uses, too. */
export function withRelay<T>(
  host: BenchHost,
  { engine }: Pick<BenchOptions, 'engine'>,
  job: (target: MeasuredTarget, engine: string, relay: RoleProcess) => Promise<T>,
): Promise<T> {
  return withRole(host, 'relay', [engine], (relay, value) => {
    const { port, engine: used } = value as Relay;
    const websockets = [`ws://127.0.0.1:${String(port)}/`];
    const pids = { nodePids: [relay.pid], redisPids: [] };
    return job({ kind: 'relay', websockets, secret: '', ...pids, diffusion: 'write' }, used, relay);
  });
}

async function openTarget(
  host: BenchHost,
  { url, tokenSecretFile, ackLevel, engine, nodes, masters }: BenchOptions,
  settings: Readonly<Record<string, string>>,
): Promise<Target> {
  const { serverBundle: bundle, serverArgs: args = [] } = host;
  if (url === null) return startTarget({ bundle, args, ackLevel, engine, nodes, masters, settings });
  return {
    url,
    urls: [url],
    websockets: [await socketAddressOf(url)],
    secret: readFileSync(tokenSecretFile ?? join('.millrace', 'dev-jwt-secret'), 'utf8').trim(),
    serverPids: [],
    redisPids: [],
    ackLevel,
    redisUrl: null,
    obituary: () => null,
    stop: () => Promise.resolve(),
  };
}

/**
 * Servers of the bench's own, or the one that was named.
 *
 * @param settings - variables of the servers, when they are the bench's own.
 */
export async function withServers<T>(
  host: BenchHost,
  options: BenchOptions,
  job: (target: Target) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const target = await stoppable(host, openTarget(host, options, settings), (started) => started.stop());
  try {
    return await job(target);
  } catch (error) {
    const obituary = target.obituary();
    if (obituary === null) throw error;
    throw new Error(`the server ended during the run; the end of its log:\n${obituary}`, { cause: error });
  } finally {
    await target.stop();
  }
}

export const measuredOf = (
  { websockets, secret, serverPids, redisPids }: Target,
  diffusion: MeasuredTarget['diffusion'],
): MeasuredTarget => ({ kind: 'millrace', websockets, secret, nodePids: serverPids, redisPids, diffusion });
