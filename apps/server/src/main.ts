import { destination } from 'pino';
import { systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import { Server } from './compose.ts';
import { createLog, type ServerLog } from './logging.ts';
import { readSecrets } from './secrets.ts';
import { readServerConfig } from './server-config.ts';
import { startNotice } from './start-notice.ts';
import { version } from './version.ts';

/** One Ctrl-C may arrive twice, from the terminal and from the program that started us. */
const SAME_SIGNAL_MS = 500;
/** Beside the draining itself: commits, partitions, Redis. */
const STOP_MS_MAX = 20_000;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function refuseToStart(problems: readonly string[]): never {
  process.stderr.write(`Millrace cannot start:\n${problems.map((problem) => `  ${problem}\n`).join('')}`);
  process.exit(1);
}

/** Ends the process: at the first signal with a drain, at the second one, or after the deadline, at once. */
function endOnSignals(server: Server, drainMs: number, log: ServerLog): (why: string, exitCode: number) => void {
  let stoppingSinceMs: number | null = null;

  const endNow = (exitCode: number): never => {
    server.abandon();
    process.exit(exitCode);
  };

  const stop = (why: string, exitCode: number): void => {
    if (stoppingSinceMs !== null) return;
    stoppingSinceMs = systemClock.monotonicMs();
    log.info('stopping', { why });
    systemTimers.after(drainMs + STOP_MS_MAX, () => {
      log.error('the stop took too long');
      endNow(1);
    });
    void server.stop().then((isClean) => {
      log.info('stopped');
      process.exit(isClean ? exitCode : 1);
    });
  };

  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (stoppingSinceMs === null) {
        stop(signal, 0);
      } else if (systemClock.monotonicMs() - stoppingSinceMs > SAME_SIGNAL_MS) {
        log.warn('a second signal: ending at once', { signal });
        endNow(1);
      }
    });
  }

  // A bug: what is in memory may be wrong now, so nothing more is committed from it. What was acknowledged is stored.
  const crash = (error: unknown): void => {
    log.error('a defect; ending at once', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    endNow(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  return stop;
}

async function main(): Promise<void> {
  const read = readServerConfig();
  if (!read.ok) refuseToStart(read.error);
  const { config, warnings } = read.value;
  const secrets = readSecrets(config, systemRandom);
  if (!secrets.ok) refuseToStart([secrets.error]);
  const log = createLog(config, destination({ fd: 1, sync: true }));
  for (const warning of warnings) log.warn(warning);

  const server = new Server({
    config,
    secrets: secrets.value,
    log,
    onLost: (why) => {
      log.error('this node may do nothing any more', { why });
      stop('another run of this node has taken over', 1);
    },
  });
  const stop = endOnSignals(server, config.drainMs, log);

  const started = await server.start();
  // A stop that came first ends the process itself.
  if (server.stopRequested) return;
  if (!started.ok) refuseToStart([started.error]);
  const { httpUrl, socketUrl, engine, redis } = started.value;
  log.info('Millrace serves', { version, mode: config.mode, httpUrl, socketUrl, engine });
  if (config.mode === 'production') return;
  const { developmentApiKeyFile: apiKeyFile } = secrets.value;
  const { ackLevel, dataDir } = config;
  const running = { version, httpUrl, socketUrl, engine, redis, ackLevel, apiKeyFile, dataDir };
  process.stdout.write(startNotice(running, process.cwd()));
}

await main();
