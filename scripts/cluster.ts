/**
 * A whole cluster on this machine: three nodes over a Redis Cluster of three masters with a replica each, in development
 * mode. Everything is below `.millrace/cluster` and survives a stop. Ends all that it started when it is told to.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@millrace/kernel';
import { describeLocalRedisError, startRedisCluster, type LocalRedisCluster } from '@millrace/local-redis';
import { optionsOf, whole } from './options.ts';

const READY_MS_MAX = 60_000;
const POLL_MS = 50;
const PORT_STEP = 10;

const HELP = `npm run cluster -- [options]

  --nodes N        Default: 3
  --port N         the HTTP port of the first node; the others follow in steps of ${String(PORT_STEP)}. Default: 7400
  --redis-port N   the port of the first Redis. Default: 7500
  --data-dir DIR   Default: .millrace
  --ack LEVEL      memory, disk or replicated. Default: replicated`;

const values = optionsOf(HELP, {
  nodes: { type: 'string', default: '3' },
  port: { type: 'string', default: '7400' },
  'redis-port': { type: 'string', default: '7500' },
  'data-dir': { type: 'string', default: '.millrace' },
  ack: { type: 'string', default: 'replicated' },
});

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const nodeCount = whole('nodes', values.nodes, [1, 9]);
const firstPort = whole('port', values.port, [1_024, 60_000]);
const redisPort = whole('redis-port', values['redis-port'], [1_024, 60_000]);
const dataDir = values['data-dir'];

let redis: LocalRedisCluster | null = null;
const nodes: ChildProcess[] = [];
let stopping = false;

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

async function stop(exitCode: number): Promise<never> {
  stopping = true;
  const running = nodes.filter(isRunning);
  if (running.length > 0) say(`• stopping ${String(running.length)} nodes`);
  // One after the other, as an operator would; the last one has nobody to hand anything to.
  for (const node of running) {
    // A terminal tells all of them at once: meanwhile it may have ended of itself.
    if (!isRunning(node)) continue;
    const ended = once(node, 'exit');
    node.kill('SIGTERM');
    await ended;
  }
  if (redis !== null) {
    say('• stopping the Redis Cluster');
    await redis.stop();
  }
  process.exit(exitCode);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!stopping) void stop(0);
  });
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

async function startNode(index: number, redisUrl: string): Promise<string> {
  const port = firstPort + index * PORT_STEP;
  const name = `node-${String(index + 1)}`;
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', fileURLToPath(new URL('server.mjs', import.meta.url))],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        REDIS_URL: redisUrl,
        MILLRACE_MODE: 'development',
        MILLRACE_NODE_NAME: name,
        MILLRACE_PORT: String(port),
        MILLRACE_SOCKET_PORT: String(port + 1),
        MILLRACE_DATA_DIR: dataDir,
        MILLRACE_ACK: values.ack,
        MILLRACE_LOG_LEVEL: process.env['MILLRACE_LOG_LEVEL'] ?? 'warn',
      },
    },
  );
  nodes.push(child);
  child.once('exit', (code, signal) => {
    if (stopping) return;
    say(`• ${name} has ended (${String(signal ?? code)}); the others go on without it`);
  });
  const url = `http://127.0.0.1:${String(port)}`;
  const deadlineMs = systemClock.monotonicMs() + READY_MS_MAX;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || systemClock.monotonicMs() > deadlineMs) throw new Error(`${name} does not serve`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  say(`• ${name} serves at ${url} (process ${String(child.pid)})`);
  return url;
}

async function main(): Promise<void> {
  say('• starting a Redis Cluster: three masters, three replicas');
  const started = await startRedisCluster({
    dir: `${dataDir}/cluster`,
    firstPort: redisPort,
    appendfsync: values.ack === 'disk' ? 'always' : 'everysec',
  });
  if (!started.ok) {
    say(describeLocalRedisError(started.error));
    return stop(1);
  }
  redis = started.value;
  say(`• Redis: ${redis.nodes.map(({ port, pid }) => `${String(port)} (process ${String(pid)})`).join(', ')}`);
  const urls: string[] = [];
  for (let index = 0; index < nodeCount; index += 1) urls.push(await startNode(index, redis.url));
  const dir = dataDir === '.millrace' ? '' : ` --data-dir ${dataDir}`;
  process.stdout.write(`
A cluster of ${String(nodeCount)} nodes serves, at ack level "${values.ack}". Any of them takes what you send:

  npx millrace tail --as bob --url ${urls.at(-1) ?? ''}${dir}
  npx millrace send --as alice --to bob --url ${urls[0] ?? ''}${dir} "Hello, Bob"
  npx millrace replay FILE --url ${urls[1] ?? urls[0] ?? ''}${dir}

End one of the processes above and look what happens. Stop all of it with Ctrl-C.
`);
}

await main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return stop(1);
});
