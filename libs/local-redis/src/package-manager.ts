import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, type Result } from '@millrace/kernel';
import { isExecutableFile } from './find-redis-server.ts';
import { runCommand } from './run-command.ts';

export type Progress = (line: string) => void;

/** Why a server could not be installed. `whatToDo` is a sentence for the person at the terminal. */
export interface InstallError {
  readonly code: 'install_not_permitted' | 'install_failed';
  readonly message: string;
  readonly whatToDo: string;
}

const PROGRAMS = ['apt-get', 'dnf', 'apk', 'brew'] as const;

/** A server that the package managers of several systems have, each by other names. */
export interface WantedServer<Found> {
  /** For people: `Redis`. */
  readonly name: string;
  readonly versionMin: string;
  /** Package names in the order to try: what a distribution ships differs. */
  readonly packages: Readonly<Record<(typeof PROGRAMS)[number], readonly string[]>>;
  /** What else a person may do: `set REDIS_URL to a Redis that runs already`. */
  readonly otherwise: string;
  /** Looks for it once it should be there. */
  readonly find: (searchPath: readonly string[]) => Promise<Result<Found, { readonly message: string }>>;
}

interface PackageManager {
  /** The program whose presence says that this is the system's package manager. */
  readonly program: (typeof PROGRAMS)[number];
  readonly needsRoot: boolean;
  readonly refresh: readonly string[] | undefined;
  readonly install: readonly string[];
  readonly environment: readonly string[];
}

const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    program: 'apt-get',
    needsRoot: true,
    refresh: ['update'],
    install: ['install', '-y', '--no-install-recommends'],
    // In run level 1 a package's own scripts start no service.
    environment: ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'],
  },
  { program: 'dnf', needsRoot: true, refresh: undefined, install: ['install', '-y'], environment: [] },
  { program: 'apk', needsRoot: true, refresh: undefined, install: ['add', '--no-cache'], environment: [] },
  { program: 'brew', needsRoot: false, refresh: undefined, install: ['install'], environment: [] },
];

/** Read by invoke-rc.d and deb-systemd-invoke; exit code 101 forbids every start. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY_TEXT = '#!/bin/sh\n# Written by Millrace while it installs a server; safe to remove.\nexit 101\n';

function programPath(program: string, searchPath: readonly string[]): string | undefined {
  return searchPath.map((directory) => join(directory, program)).find(isExecutableFile);
}

function handCommandOf(manager: PackageManager, packages: readonly string[]): string {
  const words = [manager.program, ...manager.install, packages[0] ?? ''];
  return (manager.needsRoot ? ['sudo', ...words] : words).join(' ');
}

/** How a command becomes root here: not at all, it is; by sudo that asks nothing; or it may not. */
async function rootPrefix(searchPath: readonly string[]): Promise<readonly string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  const sudo = programPath('sudo', searchPath);
  if (sudo === undefined) return undefined;
  const { code } = await runCommand(sudo, ['-n', 'true']);
  return code === 0 ? [sudo, '-n'] : undefined;
}

/**
 * Installs a server with the system's package manager, when this process may, and leaves no service of the
 * distribution running: Millrace starts one of its own.
 *
 * @param progress - told each step and each line of the package manager.
 * @param searchPath - where to look for programs, in order.
 */
export async function installServer<Found>(
  wanted: WantedServer<Found>,
  progress: Progress,
  searchPath: readonly string[],
): Promise<Result<Found, InstallError>> {
  const { name, otherwise } = wanted;
  const manager = PACKAGE_MANAGERS.find(({ program }) => programPath(program, searchPath) !== undefined);
  if (manager === undefined) {
    return err({
      code: 'install_not_permitted',
      message: `No package manager that Millrace knows (${PROGRAMS.join(', ')}) was found.`,
      whatToDo: `Install ${name} ${wanted.versionMin} or newer yourself, or ${otherwise}.`,
    });
  }
  const packages = wanted.packages[manager.program];
  const byHand = `Type:  ${handCommandOf(manager, packages)}  `;
  const root = manager.needsRoot ? await rootPrefix(searchPath) : [];
  if (root === undefined) {
    return err({
      code: 'install_not_permitted',
      message: `${name} is not installed, and this user may not install it (not root, and sudo asks for a password).`,
      whatToDo: `${byHand} or ${otherwise}.`,
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
  for (const packageName of packages) {
    progress(`${manager.program} ${[...manager.install, packageName].join(' ')}`);
    const { code, output } = await withoutServiceStart(() => run([...manager.install, packageName]));
    if (code !== 0) {
      failures.push(output.trim().split('\n').at(-1) ?? '');
      continue;
    }
    await disableService(root, packageName, searchPath);
    const found = await wanted.find(searchPath);
    if (found.ok) return found;
    failures.push(found.error.message);
  }
  return err({
    code: 'install_failed',
    message: `Installing ${name} with ${manager.program} failed: ${failures.join('; ')}`,
    whatToDo: `${byHand} and see what it says, or ${otherwise}.`,
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

/** The package would start its own server at the next boot, and has started it where the policy could not be set. */
async function disableService(root: readonly string[], name: string, searchPath: readonly string[]): Promise<void> {
  const systemctl = programPath('systemctl', searchPath);
  if (systemctl === undefined || !existsSync('/run/systemd/system')) return;
  const [program, ...rest] = [...root, systemctl, 'disable', '--now', name];
  await runCommand(program, rest);
}
