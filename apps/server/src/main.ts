import cluster from 'node:cluster';
import { parseArgs } from 'node:util';
import { destination } from 'pino';
import { err, ok, systemRandom, type Result } from '@millrace/kernel';
import { Server, type ServerAddresses } from './compose.ts';
import { endOnSignals } from './ending.ts';
import { createLog, type ServerLog } from './logging.ts';
import { ProcessGroup } from './processes/process-group.ts';
import { ProcessLink } from './processes/process-link.ts';
import { readSecrets, type Secrets } from './secrets.ts';
import { environmentWith, readServerConfig, type ServerConfig } from './server-config.ts';
import { startNotice } from './start-notice.ts';
import { version } from './version.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function refuseToStart(problems: readonly string[]): never {
  process.stderr.write(`Millrace cannot start:\n${problems.map((problem) => `  ${problem}\n`).join('')}`);
  process.exit(1);
}

/** What is written on the command line goes before what the environment says. */
function argumentsAsVariables(args: readonly string[]): Result<Readonly<Record<string, string>>, string> {
  try {
    const { values } = parseArgs({ args: [...args], options: { processes: { type: 'string' } }, strict: true });
    return ok(values.processes === undefined ? {} : { MILLRACE_PROCESSES: values.processes });
  } catch (error) {
    return err(`${error instanceof Error ? error.message : String(error)} (the only option is --processes N)`);
  }
}

interface Prepared {
  readonly config: ServerConfig;
  readonly secrets: Secrets;
  readonly log: ServerLog;
}

/** @param isOneOfMany - below a parent, which has warned already. */
function prepare(isOneOfMany: boolean): Result<Prepared, readonly string[]> {
  const given = argumentsAsVariables(process.argv.slice(2));
  if (!given.ok) return err([given.error]);
  const read = readServerConfig(environmentWith(given.value));
  if (!read.ok) return read;
  const { config, warnings } = read.value;
  const secrets = readSecrets(config, systemRandom);
  if (!secrets.ok) return err([secrets.error]);
  const isNamed = isOneOfMany || config.processes > 1;
  const log = createLog(config, destination({ fd: 1, sync: true }), isNamed ? config.nodeName : null);
  if (!isOneOfMany) for (const warning of warnings) log.warn(warning);
  return ok({ config, secrets: secrets.value, log });
}

function tellServes({ config, secrets, log }: Prepared, addresses: ServerAddresses, redis = addresses.redis): void {
  const { httpUrl, socketUrl, engine } = addresses;
  const { mode, ackLevel, dataDir, processes } = config;
  log.info('Millrace serves', { version, mode, httpUrl, socketUrl, engine, ...(processes > 1 ? { processes } : {}) });
  if (mode === 'production') return;
  const apiKeyFile = secrets.developmentApiKeyFile;
  const running = { version, httpUrl, socketUrl, engine, redis, ackLevel, apiKeyFile, dataDir, processes };
  process.stdout.write(startNotice(running, process.cwd()));
}

/** The whole server in this process. */
async function runAlone(prepared: Prepared): Promise<void> {
  const { config, log } = prepared;
  const server = new Server({
    ...prepared,
    onLost: (why) => {
      log.error('this node may do nothing any more', { why });
      stop('another run of this node has taken over', 1);
    },
    shared: null,
  });
  const stop = endOnSignals(server, { signals: SIGNALS, drainMs: config.drainMs, log });
  const started = await server.start();
  // A stop that came first ends the process itself.
  if (server.stopRequested) return;
  if (!started.ok) refuseToStart([started.error]);
  tellServes(prepared, started.value);
}

/** The parent of several. */
async function runParent(prepared: Prepared): Promise<void> {
  const { config, log } = prepared;
  const group = new ProcessGroup(config, log, (why) => {
    log.error('these processes may do nothing any more', { why });
    stop('another run of these nodes has taken over', 1);
  });
  const stop = endOnSignals(group, { signals: SIGNALS, drainMs: config.drainMs, log });
  const started = await group.start();
  if (group.stopRequested) return;
  if (!started.ok) {
    await group.stop();
    refuseToStart([started.error]);
  }
  tellServes(prepared, started.value, group.redisShown ?? started.value.redis);
}

/** One of several, below the parent. */
async function runBelow(): Promise<void> {
  const link = new ProcessLink();
  // A terminal interrupts all of us; the parent says what follows.
  for (const signal of SIGNALS) if (signal !== 'SIGTERM') process.on(signal, () => undefined);
  const prepared = prepare(true);
  if (!prepared.ok) {
    await link.refused(prepared.error.join('\n  '));
    process.exit(1);
  }
  const { config, log } = prepared.value;
  const server = new Server({
    ...prepared.value,
    onLost: (why) => {
      log.error('this node may do nothing any more', { why });
      link.replaced(why);
    },
    shared: await link.shared(),
  });
  const stop = endOnSignals(server, {
    signals: ['SIGTERM'],
    drainMs: config.drainMs,
    log,
    onStopping: () => {
      link.stopping();
    },
  });
  link.onStop((why) => {
    stop(why, 0);
  });
  const started = await server.start();
  if (server.stopRequested) return;
  if (!started.ok) {
    await link.refused(started.error);
    process.exit(1);
  }
  link.serving(started.value);
  log.info('the process serves', { pid: process.pid });
}

if (cluster.isWorker) {
  await runBelow();
} else {
  const prepared = prepare(false);
  if (!prepared.ok) refuseToStart(prepared.error);
  await (prepared.value.config.processes > 1 ? runParent(prepared.value) : runAlone(prepared.value));
}
