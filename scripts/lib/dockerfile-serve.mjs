import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandWords, millraceServices, readCompose, redisServices, secondsOf } from './compose.mjs';
import { folderOf, inSystem, mountKernel, must } from './dockerfile-build.mjs';

/**
 * @typedef {import('./dockerfile.mjs').Stage} Stage
 * @typedef {import('./compose.mjs').ComposeFile} ComposeFile
 * @typedef {import('./compose.mjs').Service} Service
 */

const POLL_MS = 100;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const REDIS_PORT = 6379;

/** @param {string} what @param {number} msMax @param {() => boolean | Promise<boolean>} isSo */
async function until(what, msMax, isSo) {
  const startedMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedMs > msMax) throw new Error(`not within ${msMax} ms: ${what}`);
    await sleep(POLL_MS);
  }
  console.log(`• ${what}: after ${Math.round(performance.now() - startedMs)} ms`);
}

/** @param {number} port @param {string} [host] @returns {Promise<boolean>} */
const accepts = (port, host = '127.0.0.1') =>
  new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });

/** @param {string} url @param {Record<string, string>} [headers] @returns {Promise<number>} 0 when nobody answers */
async function statusOf(url, headers = {}) {
  try {
    const response = await fetch(url, { headers });
    await response.text();
    return response.status;
  } catch {
    return 0;
  }
}

/** Gives every service an address on loopback: its fixed one, or one more. @param {ComposeFile} file */
function takeAddresses({ services }) {
  const addresses = new Map();
  for (const [name, { networks }] of Object.entries(services)) {
    const fixed = networks?.['default']?.ipv4_address;
    if (fixed !== undefined) must('ip', ['address', 'add', `${fixed}/32`, 'dev', 'lo']);
    addresses.set(name, fixed ?? `127.0.1.${addresses.size + 1}`);
  }
  return addresses;
}

/** Every Redis of the file, by a server of this machine. @param {ComposeFile} file @param {Map<string, string>} addresses @param {string} work */
async function startRedis(file, addresses, work) {
  const binary = ['redis-server', 'valkey-server'].find((one) => spawnSync(one, ['--version']).status === 0);
  if (binary === undefined) throw new Error('no Redis on this machine. Type:  apt-get install redis-server');
  for (const [name, service] of redisServices(file)) {
    const [, ...options] = commandWords(service);
    const data = join(work, name);
    mkdirSync(data);
    const address = addresses.get(name) ?? '';
    // Its own address also as a source: the others of a cluster believe what a connection comes from.
    const place = ['--bind', address, '--bind-source-addr', address, '--dir', data, '--logfile', join(data, 'log')];
    spawn(binary, [...options, ...place], { stdio: 'inherit' });
    await until(`${name}: ${binary} ${options.join(' ')}`, 10_000, () => accepts(REDIS_PORT, address));
  }
  for (const [name, service] of Object.entries(file.services)) {
    const [program, ...args] = service.entrypoint ?? [];
    if (program === undefined) continue;
    // The second time as after a restart: it must find done what it does.
    for (const time of ['first', 'second']) {
      console.log(`• ${name}, for the ${time} time`);
      must(program, [...args, ...commandWords(service)]);
    }
  }
}

/** Makes the secrets' files, fresh, where the compose file puts them. @param {string} root @param {string} work */
function putSecrets(root, work) {
  const key = randomBytes(24).toString('hex');
  const secrets = join(work, 'secrets');
  mkdirSync(secrets);
  writeFileSync(join(secrets, 'jwt-secret'), `${randomBytes(32).toString('hex')}\n`);
  writeFileSync(join(secrets, 'api-keys'), `backend:admin:${key}\n`);
  const inside = join(root, 'run/secrets');
  mkdirSync(inside, { recursive: true });
  must('mount', ['--bind', secrets, inside]);
  return key;
}

/** The image as the service runs it. */
class Container {
  /** @param {Stage} image @param {string} root @param {string} name @param {Service} service */
  constructor(image, root, name, service) {
    this.image = image;
    this.root = root;
    this.name = name;
    this.service = service;
    const given = Object.entries(service.environment ?? {}).map(([variable, value]) => [variable, String(value)]);
    // PATH and HOME are those of the base image.
    this.env = { HOME: '/home/node', PATH, ...image.env, ...Object.fromEntries(given) };
    this.port = Number(this.env['MILLRACE_PORT'] ?? image.ports[0]);
    this.hasSockets = (this.env['MILLRACE_ROLES'] ?? 'gateway').split(',').includes('gateway');
  }

  /** @param {readonly string[]} command @returns {string[]} */
  #asUser(command) {
    return [`--userspec=${this.image.user}`, ...inSystem(this.root, folderOf(this.image), command)];
  }

  /** @param {readonly string[]} command */
  run(command) {
    return spawnSync('chroot', this.#asUser(command), { env: this.env, encoding: 'utf8' });
  }

  isHealthy() {
    return this.run(this.image.healthcheck ?? ['false']).status === 0;
  }

  start() {
    const { status } = this.run(['touch', 'a-file']);
    if (status !== 1) throw new Error(`the file system of the image is not read-only: touch exits with ${status}`);
    console.log(`• ${this.name}: ${this.image.command.join(' ')}, as ${this.image.user}`);
    this.process = spawn('chroot', this.#asUser(this.image.command), { env: this.env, stdio: 'inherit' });
    /** @type {Promise<number | null>} */
    this.ended = new Promise((resolve) => this.process?.on('exit', resolve));
  }

  /** @param {string} key */
  async check(key) {
    const url = `http://127.0.0.1:${this.port}`;
    await until(`${this.name}: /healthz answers 200`, 20_000, async () => (await statusOf(`${url}/healthz`)) === 200);
    await until(`${this.name}: /readyz answers 200`, 60_000, async () => (await statusOf(`${url}/readyz`)) === 200);
    if (this.hasSockets) await until(`${this.name}: the sockets' port accepts`, 1_000, () => accepts(this.port + 1));
    await until(`${this.name}: HEALTHCHECK exits with 0`, 1_000, () => this.isHealthy());
    const status = readFileSync(join(this.root, `proc/${this.process?.pid}/status`), 'utf8');
    const ids = /^Uid:\s+(.*)$/m.exec(status)?.[1]?.split('\t') ?? [];
    const [user] = this.image.user.split(':');
    if (!ids.every((id) => id === user)) throw new Error(`it runs as ${ids.join(' ')} and not as ${user}`);
    const open = await statusOf(`${url}/metrics`);
    const known = await statusOf(`${url}/metrics`, { authorization: `Bearer ${key}` });
    console.log(`• ${this.name}: /metrics answers ${open} without a key, ${known} with the key of the secret's file`);
    if (open !== 401 || known !== 200) throw new Error('the keys of the secrets are not used');
  }

  async stop() {
    const startedMs = performance.now();
    this.process?.kill('SIGTERM');
    const graceMs = secondsOf(this.service.stop_grace_period) * 1_000;
    const code = await Promise.race([this.ended, sleep(graceMs, 'none yet', { ref: false })]);
    console.log(`• ${this.name}: SIGTERM, exit code ${code} after ${Math.round(performance.now() - startedMs)} ms`);
    if (code !== 0) throw new Error('it did not stop cleanly within stop_grace_period');
    if (this.isHealthy()) throw new Error('HEALTHCHECK finds a server healthy that is gone');
  }
}

/**
 * Runs the image's command as its user, for every node of a compose file and with the Redis of that file, and looks at
 * it from outside. The network must be an empty one.
 *
 * @param {Stage} image
 * @param {string} root - the system of the last stage
 * @param {string} compose - the file's path
 * @param {string} work
 */
export async function serveImage(image, root, compose, work) {
  const file = readCompose(compose);
  must('mount', ['--make-rprivate', '/']);
  const addresses = takeAddresses(file);
  appendFileSync(join(root, 'etc/hosts'), [...addresses].map(([name, address]) => `${address} ${name}\n`).join(''));
  must('mount', ['--bind', root, root]);
  must('mount', ['-o', 'remount,bind,ro', root]);
  mountKernel(root);
  must('mount', ['-t', 'tmpfs', 'tmpfs', join(root, 'run')]);
  const key = putSecrets(root, work);
  await startRedis(file, addresses, work);

  const containers = millraceServices(file).map(([name, service]) => new Container(image, root, name, service));
  for (const container of containers) container.start();
  for (const container of containers) await container.check(key);
  const cli = containers[0]?.run(['node', 'dist/cli.mjs', '--help']);
  if (cli?.status !== 0) throw new Error(`the command line of the image does not run: ${cli?.stderr}`);
  for (const container of containers) await container.stop();
  console.log('passed: the steps of docker/Dockerfile make an image that serves');
  // What is left is Redis, and ends with these processes' namespace.
  process.exit(0);
}
