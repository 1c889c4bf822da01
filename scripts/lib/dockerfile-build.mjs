import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { dockerIgnore } from './dockerfile.mjs';

/** @typedef {import('./dockerfile.mjs').Stage} Stage */

/** Runs a program and throws when it fails. @param {string} command @param {readonly string[]} args */
export function must(command, args, env = process.env) {
  const { status, signal, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? signal ?? `exit code ${status}`}`);
}

/** The arguments of chroot for a command in a folder of that system. */
export const inSystem = (
  /** @type {string} */ root,
  /** @type {string} */ folder,
  /** @type {readonly string[]} */ command,
) => [root, '/bin/sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', folder, ...command];

/** @param {string} root */
export function mountKernel(root) {
  must('mount', ['-t', 'proc', 'proc', join(root, 'proc')]);
  must('mount', ['--rbind', '/dev', join(root, 'dev')]);
}

/** Removes what .dockerignore names, as if it had never been sent. @param {(path: string) => boolean} isIgnored */
function prune(/** @type {string} */ context, isIgnored, directory = context) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (isIgnored(relative(context, path))) rmSync(path, { recursive: true });
    else if (entry.isDirectory()) prune(context, isIgnored, path);
  }
}

/**
 * COPY: of a folder its content, a file under its name into a target that ends in a slash, else as the target. What
 * is copied belongs to root.
 *
 * @param {readonly string[]} sources
 * @param {string} target
 */
function copy(sources, target) {
  const isFolder = target.endsWith('/') || sources.length > 1;
  for (const source of sources) {
    const intoFolder = isFolder || statSync(source).isDirectory();
    mkdirSync(intoFolder ? target : dirname(target), { recursive: true });
    const from = statSync(source).isDirectory() ? `${source}/.` : source;
    must('cp', ['-a', '--no-preserve=ownership', from, target]);
  }
}

/**
 * Runs the steps of every stage, each in the system that stands for its base image.
 *
 * @param {readonly Stage[]} stages
 * @param {(index: number) => string} rootOf
 * @param {string} context
 * @param {string} ignore - the text of .dockerignore
 * @param {Record<string, string>} env - what a RUN needs to reach the registry from here
 */
export function buildStages(stages, rootOf, context, ignore, env) {
  prune(context, dockerIgnore(ignore));
  must('mount', ['--make-rprivate', '/']);
  stages.forEach((stage, index) => {
    const root = rootOf(index);
    mountKernel(root);
    let folder = '/';
    for (const step of stage.steps) {
      if (step.instruction === 'WORKDIR') {
        folder = resolve(folder, step.folder);
        console.log(`• WORKDIR ${folder}`);
        mkdirSync(join(root, folder), { recursive: true });
      } else if (step.instruction === 'COPY') {
        console.log(
          `• COPY ${step.from === null ? '' : `--from=${step.from} `}${step.sources.join(' ')} ${step.target}`,
        );
        const base = step.from === null ? context : rootOf(stages.findIndex(({ name }) => name === step.from));
        const slash = step.target.endsWith('/') ? '/' : '';
        copy(
          step.sources.map((source) => join(base, source)),
          join(root, resolve(folder, step.target)) + slash,
        );
      } else {
        console.log(`• RUN ${step.command.at(-1)}`);
        must('chroot', inSystem(root, folder, step.command), { ...env, ...stage.env });
      }
    }
    if (!existsSync(join(root, folder))) throw new Error(`the stage ${stage.name ?? 'without a name'} made nothing`);
  });
}

/** Where a stage's commands run: its last WORKDIR. @param {Stage} stage */
export function folderOf(stage) {
  return stage.steps.reduce(
    (folder, step) => (step.instruction === 'WORKDIR' ? resolve(folder, step.folder) : folder),
    '/',
  );
}
