import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { systemClock } from '@millrace/kernel';
import { findRedisServer } from '@millrace/local-redis';
import { inspectRedis } from '@millrace/redis-store';
import { fetchFault } from '../endpoints.ts';
import { fail, fine, warn, type Finding } from './finding.ts';
import { judgeClock, judgeDisk, judgeFileLimit } from './judge.ts';

const ANSWER_MS_MAX = 5_000;

export async function lookForRedisServer(redisUrl: string | undefined): Promise<Finding> {
  const found = await findRedisServer();
  if (found.ok) return fine(`${found.value.product} ${found.value.version} at ${found.value.path}`);
  if (redisUrl !== undefined) return fine('no Redis server on this machine; REDIS_URL names one');
  return fail(found.error.message, found.error.whatToDo);
}

/** A Redis that was named, else the private one of the development server when it runs. */
export async function lookAtRedis(redisUrl: string | undefined, dataDir: string): Promise<readonly Finding[]> {
  const socket = resolve(dataDir, 'redis', 'redis.sock');
  const url = redisUrl ?? (existsSync(socket) ? `unix://${socket}` : undefined);
  if (url === undefined) return [];
  // The level that asks least: what a server declares, it checks itself when it starts.
  const inspected = await inspectRedis(url, 'memory');
  if (!inspected.ok) {
    if (redisUrl === undefined) return [];
    return [fail(`Redis: ${inspected.error.message}`, 'Check REDIS_URL, and that this Redis runs.')];
  }
  const { facts, findings } = inspected.value;
  const sync = facts.appendOnly
    ? `append-only, appendfsync ${facts.settings?.appendFsync ?? 'not shown'}`
    : 'not append-only';
  const policy = facts.settings?.maxMemoryPolicy ?? 'policy not shown';
  const summary = `${facts.flavour} ${facts.version} in use: ${facts.role}, ${policy}, ${sync}`;
  const problems = findings
    .filter(({ severity }) => severity !== 'advice')
    .map(({ severity, message }) =>
      severity === 'refuse' ? fail('Redis cannot be used as it is', message) : warn('Redis', message),
    );
  return [fine(summary), ...problems];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

async function lookAtPorts(url: string): Promise<readonly Finding[]> {
  const { hostname, port } = new URL(url);
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return [];
  const http = Number(port === '' ? '80' : port);
  const findings: Finding[] = [];
  for (const wanted of [http, http + 1]) {
    if (await isFree(wanted)) findings.push(fine(`port ${String(wanted)} is free for a server`));
    else findings.push(fail(`port ${String(wanted)} is taken by another program`, 'End it, or set MILLRACE_PORT.'));
  }
  return findings;
}

async function get(address: string): Promise<Response> {
  return fetch(address, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
}

/** Whether a WebSocket address takes connections; the handshake is done by asking for an upgrade without a token. */
async function lookAtSockets(websocket: string): Promise<Finding> {
  const address = websocket.replace(/^ws/, 'http');
  try {
    await get(address);
    return fine(`sockets at ${websocket}`);
  } catch (error) {
    return fail(
      `sockets: ${fetchFault(address, error)}`,
      'Open the port, or set MILLRACE_SOCKET_URL to where a proxy has it.',
    );
  }
}

/** The server at `url`: whether it is ready, where its sockets are, and its clock; free ports when there is none. */
export async function lookAtServer(url: string): Promise<readonly Finding[]> {
  let ready: Response;
  try {
    ready = await get(`${url}/readyz`);
  } catch (error) {
    return [warn(fetchFault(url, error), 'The checks of a running server are left out.'), ...(await lookAtPorts(url))];
  }
  const findings: Finding[] = [];
  const answer = (await ready.json().catch(() => ({}))) as { readonly reasons?: readonly string[] };
  if (ready.ok) findings.push(fine(`the server at ${url} is ready`));
  else {
    const reasons = answer.reasons?.join('; ') ?? `HTTP status ${String(ready.status)}`;
    findings.push(fail(`the server at ${url} is not ready: ${reasons}`, 'Wait, or read its log.'));
  }
  findings.push(judgeClock(ready.headers.get('date'), systemClock.nowMs()));
  const endpoints = (await get(`${url}/api/v1/endpoints`)
    .then((response) => response.json())
    .catch(() => ({}))) as { readonly websocket?: string };
  if (endpoints.websocket === undefined)
    findings.push(fail(`${url} does not say where its sockets are`, 'Is this a Millrace server?'));
  else findings.push(await lookAtSockets(endpoints.websocket));
  return findings;
}

/** Which socket engine a server on this machine would take. */
export async function lookAtEngine(): Promise<Finding> {
  // Not written as a literal: it is optional, and must not be looked for when this program is built.
  const name: string = 'uWebSockets.js';
  try {
    await import(name);
    return fine('socket engine: uWebSockets.js loads');
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
    return fine(`socket engine: ws; uWebSockets.js, which is faster, does not load here (${reason})`);
  }
}

export function lookAtMachine(dataDir: string): readonly Finding[] {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : null;
  let place = resolve(dataDir);
  while (!existsSync(place)) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  return [judgeFileLimit(limits), judgeDisk(bavail * bsize, dataDir)];
}

export function lookForSecret(dataDir: string): Finding {
  const path = join(dataDir, 'dev-jwt-secret');
  if (existsSync(path)) return fine(`development secret at ${path}: \`millrace token\` works here`);
  return warn(
    `no development secret at ${path}`,
    'Start a server in development mode here, or name a secret by --token-secret-file.',
  );
}
