import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { exitCode, type Args, type Command, type Context } from './command.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The bundle of the server lies beside the one of this program. */
const serverBundle = (): string => fileURLToPath(new URL('./server.mjs', import.meta.url));

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  if (args.words.length > 0) {
    terminal.note('serve is configured by its options and by environment variables: see docs/configuration.md.');
    return exitCode.misused;
  }
  const bundle = serverBundle();
  if (!existsSync(bundle)) {
    terminal.note(`${bundle} is not there: build it with \`npm run build\`.`);
    return exitCode.failed;
  }
  const url = args.text('redis-url');
  const processes = args.text('processes');
  const serverArgs = processes === undefined ? [] : ['--processes', processes];
  const server = spawn(process.execPath, ['--enable-source-maps', bundle, ...serverArgs], {
    stdio: 'inherit',
    env: url === undefined ? environment.all : { ...environment.all, REDIS_URL: url },
  });
  // A terminal sends an interrupt to both of us; what only we are sent goes on to the server, which drains.
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !terminal.isInteractive) server.kill(signal);
    });
  }
  return new Promise((resolve) => {
    server.on('error', (error) => {
      terminal.note(`The server cannot be started: ${error.message}`);
      resolve(exitCode.failed);
    });
    server.on('exit', (code, signal) => {
      // As a shell tells it: 128 and the number of the signal.
      resolve(signal === null ? (code ?? exitCode.failed) : 128 + constants.signals[signal]);
    });
  });
}

export const serveCommand: Command = {
  name: 'serve',
  usage: '[options]',
  summary: 'Runs the server in the foreground',
  description: [
    'Configured by environment variables (docs/configuration.md). In development mode, the default, it needs nothing: it ' +
      'starts a Redis of its own and keeps everything under .millrace/.',
  ],
  options: [
    { name: 'redis-url', value: 'URL', help: 'Uses this Redis; the same as REDIS_URL.' },
    {
      name: 'processes',
      value: 'N',
      help: 'Runs so many server processes behind one pair of ports; the same as MILLRACE_PROCESSES.',
    },
  ],
  run,
};
