import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, type Result } from '@millrace/kernel';
import type { LocalRedisError } from './errors.ts';
import { findRedisServer, isExecutableFile, redisSearchPath, type RedisServerBinary } from './find-redis-server.ts';
import { runCommand } from './run-command.ts';

type Progress = (line: string) => void;

interface PackageManager {
  /** The program whose presence says that this is the system's package manager. */
  readonly program: string;
  readonly needsRoot: boolean;
  readonly refresh: readonly string[] | undefined;
  /** Package names in the order to try: what a distribution ships differs. */
  readonly packages: readonly string[];
  readonly install: readonly string[];
  readonly environment: readonly string[];
}

const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    program: 'apt-get',
    needsRoot: true,
    refresh: ['update'],
    packages: ['redis-server', 'valkey-server'],
    install: ['install', '-y', '--no-install-recommends'],
    // In run level 1 a package's own scripts start no service.
    environment: ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'],
  },
  {
    program: 'dnf',
    needsRoot: true,
    refresh: undefined,
    packages: ['valkey', 'redis'],
    install: ['install', '-y'],
    environment: [],
  },
  {
    program: 'apk',
    needsRoot: true,
    refresh: undefined,
    packages: ['redis', 'valkey'],
    install: ['add', '--no-cache'],
    environment: [],
  },
  {
    program: 'brew',
    needsRoot: false,
    refresh: undefined,
    packages: ['redis', 'valkey'],
    install: ['install'],
    environment: [],
  },
];

/** Read by invoke-rc.d and deb-systemd-invoke; exit code 101 forbids every start. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY_TEXT = '#!/bin/sh\n# Written by Millrace while it installs Redis; safe to remove.\nexit 101\n';

function programPath(program: string, searchPath: readonly string[]): string | undefined {
  return searchPath.map((directory) => join(directory, program)).find(isExecutableFile);
}

const handCommandOf = (manager: PackageManager): string => {
  const words = [manager.program, ...manager.install, manager.packages[0] ?? ''];
  return (manager.needsRoot ? ['sudo', ...words] : words).join(' ');
};

/** How a command becomes root here: not at all, it is; by sudo that asks nothing; or it may not. */
async function rootPrefix(searchPath: readonly string[]): Promise<readonly string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  const sudo = programPath('sudo', searchPath);
  if (sudo === undefined) return undefined;
  const { code } = await runCommand(sudo, ['-n', 'true']);
  return code === 0 ? [sudo, '-n'] : undefined;
}

/**
 * Installs a Redis server with the system's package manager, when this process may, and leaves no service of the
 * distribution running: Millrace starts a Redis of its own.
 *
 * @param progress - told each step and each line of the package manager.
 * @param searchPath - where to look for programs, in order.
 */
export async function installRedisServer(
  progress: Progress,
  searchPath: readonly string[] = redisSearchPath(),
): Promise<Result<RedisServerBinary, LocalRedisError>> {
  const manager = PACKAGE_MANAGERS.find(({ program }) => programPath(program, searchPath) !== undefined);
  if (manager === undefined) {
    return err({
      code: 'install_not_permitted',
      message: 'No package manager that Millrace knows (apt-get, dnf, apk, brew) was found.',
      whatToDo: 'Install Redis 7.0 or newer yourself, or set REDIS_URL to a Redis that runs already.',
    });
  }
  const root = manager.needsRoot ? await rootPrefix(searchPath) : [];
  if (root === undefined) {
    return err({
      code: 'install_not_permitted',
      message: 'Redis is not installed, and this user may not install it (not root, and sudo asks for a password).',
      whatToDo: `Type:  ${handCommandOf(manager)}   or set REDIS_URL to a Redis that runs already.`,
    });
  }
  const run = (args: readonly string[]): Promise<{ code: number; output: string }> => {
    const [program = '', ...rest] = [...root, 'env', ...manager.environment, manager.program, ...args];
    return runCommand(program, rest, progress);
  };
  if (manager.refresh !== undefined) {
    progress(`${manager.program} ${manager.refresh.join(' ')}`);
    const refreshed = await run(manager.refresh);
    if (refreshed.code !== 0) progress(`${manager.program} could not refresh its lists; trying with the ones it has`);
  }
  const failures: string[] = [];
  for (const name of manager.packages) {
    progress(`${manager.program} ${[...manager.install, name].join(' ')}`);
    const { code, output } = await withoutServiceStart(() => run([...manager.install, name]));
    if (code !== 0) {
      failures.push(output.trim().split('\n').at(-1) ?? '');
      continue;
    }
    await disableService(root, name, searchPath);
    const found = await findRedisServer(searchPath);
    if (found.ok) return found;
    failures.push(found.error.message);
  }
  return err({
    code: 'install_failed',
    message: `Installing Redis with ${manager.program} failed: ${failures.join('; ')}`,
    whatToDo: `Type:  ${handCommandOf(manager)}   and see what it says, or set REDIS_URL to a Redis that runs already.`,
  });
}

/** As root on Debian, forbids service starts while `install` runs. Where a policy exists already, it is left to decide. */
async function withoutServiceStart<T>(install: () => Promise<T>): Promise<T> {
  const mayWrite = process.getuid?.() === 0 && existsSync('/usr/sbin') && !existsSync(POLICY_FILE);
  if (!mayWrite) return install();
  writeFileSync(POLICY_FILE, POLICY_TEXT, { mode: 0o755 });
  try {
    return await install();
  } finally {
    rmSync(POLICY_FILE, { force: true });
  }
}

/** The package would start its own Redis at the next boot, and has started it where the policy could not be set. */
async function disableService(root: readonly string[], name: string, searchPath: readonly string[]): Promise<void> {
  const systemctl = programPath('systemctl', searchPath);
  if (systemctl === undefined || !existsSync('/run/systemd/system')) return;
  const [program, ...rest] = [...root, systemctl, 'disable', '--now', name];
  await runCommand(program, rest);
}
