import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { inRoot } from './paths.mjs';
import { sourceFiles } from './source-files.mjs';

/** What is built from where. An app that has no main yet is left out. */
const ENTRIES = {
  server: 'apps/server/src/main.ts',
  cli: 'apps/cli/src/main.ts',
  'archive-worker': 'libs/archive/src/node/sqlite/worker.ts',
  'search-worker': 'libs/search/src/node/sqlite/worker.ts',
  bench: 'apps/bench/src/main.ts',
  'bench-floor-thread': 'apps/bench/src/workloads/history/floor-thread.ts',
  setup: 'scripts/setup.ts',
  simulate: 'scripts/simulate.ts',
  cluster: 'scripts/cluster.ts',
  faults: 'scripts/faults.ts',
  groups: 'scripts/groups.ts',
  'search-recall': 'scripts/search-recall.ts',
};

const DIST = inRoot('dist');
const STAMP = join(DIST, 'sources.sha256');

/** Changes whenever a source of the build does, also when one is removed. */
function sourcesFingerprint() {
  const hash = createHash('sha256');
  const isInput = (/** @type {string} */ path) =>
    (/^(apps|libs)\//.test(path) && /\.(ts|lua|json|sql)$/.test(path) && !path.endsWith('.test.ts')) ||
    /^scripts\/((setup|simulate|cluster|options|faults|groups|search-recall|(faults|groups)\/[\w-]+)\.ts|lib\/build\.mjs)$/.test(
      path,
    ) ||
    path === 'package-lock.json';
  for (const path of sourceFiles().filter(isInput)) {
    const { size, mtimeMs } = statSync(inRoot(path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/**
 * Workspace packages are bundled from their sources; everything else is imported from node_modules.
 *
 * @returns {Map<string, string>} file by import name, subpath exports included
 */
function workspaceImports() {
  const imports = new Map();
  for (const lib of readdirSync(inRoot('libs'))) {
    const manifestPath = inRoot('libs', lib, 'package.json');
    if (!existsSync(manifestPath)) continue;
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'));
    for (const [subpath, file] of Object.entries(manifest.exports ?? {})) {
      imports.set(manifest.name + subpath.slice(1), inRoot('libs', lib, String(file)));
    }
  }
  return imports;
}

async function build() {
  const entryPoints = Object.fromEntries(Object.entries(ENTRIES).filter(([, path]) => existsSync(inRoot(path))));
  const outdir = inRoot(`dist/.next-${process.pid}`);
  try {
    await bundle(entryPoints, outdir);
    // By rename, each at once: another process may be starting from the former ones.
    for (const file of readdirSync(outdir)) renameSync(join(outdir, file), join(DIST, file));
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/**
 * Bundles programs into one file each.
 *
 * @param {Record<string, string>} entryPoints - the source of each, from the root, by the name of what it becomes
 * @param {string} outdir
 * @param {ReadonlyMap<string, string>} [edited] - other text for some sources, by their paths from the root
 */
export async function bundle(entryPoints, outdir, edited = new Map()) {
  // Imported only now: the staleness check must not cost the start of a bundler.
  const esbuild = await import('esbuild');
  const imports = workspaceImports();
  try {
    await esbuild.build({
      absWorkingDir: inRoot(),
      entryPoints,
      outdir,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      loader: { '.lua': 'text', '.sql': 'text' },
      sourcemap: true,
      logLevel: 'warning',
      plugins: [
        {
          name: 'no-nested-packages',
          setup({ onResolve }) {
            onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
              // dist/ sees the packages of the root alone: a version that npm had to put below a lib would be missed.
              const lib = /^(.*\/(?:libs|apps)\/[^/]+)\//.exec(importer)?.[1];
              const name = /^(@[^/]+\/)?[^/]+/.exec(path)?.[0];
              if (lib === undefined || name === undefined || !existsSync(join(lib, 'node_modules', name))) return null;
              const text = `${name} is installed below ${lib}, where dist/ cannot see it: add that version to the root`;
              return { errors: [{ text }] };
            });
          },
        },
        {
          name: 'workspace-sources',
          setup({ onResolve }) {
            onResolve({ filter: /^@millrace\// }, ({ path, importer }) => {
              const file = imports.get(path);
              if (file !== undefined) return { path: file };
              return { errors: [{ text: `${path} is not exported by any lib (imported by ${importer})` }] };
            });
          },
        },
        {
          name: 'edited-sources',
          setup({ onLoad }) {
            onLoad({ filter: /\.ts$/ }, ({ path }) => {
              const contents = edited.get(relative(inRoot(), path));
              return contents === undefined ? null : { contents, loader: 'ts' };
            });
          },
        },
      ],
    });
  } finally {
    // Its service process would live as long as the server that is started next.
    await esbuild.stop();
  }
}

/**
 * Builds dist/ unless it is there and newer than every source. The one place that decides it: start, bench, the tests
 * and the `millrace` command all ask here.
 *
 * @param {{ quiet?: boolean, always?: boolean }} [options]
 */
export async function ensureBuilt(options = {}) {
  // Taken before the build: a file saved while it runs makes the next one build again.
  const fingerprint = sourcesFingerprint();
  const isFresh = existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint;
  if (isFresh && options.always !== true) return;
  const startedMs = performance.now();
  mkdirSync(DIST, { recursive: true });
  rmSync(STAMP, { force: true });
  try {
    await build();
  } catch (error) {
    // Nothing rather than something older than the sources.
    for (const name of Object.keys(ENTRIES)) rmSync(join(DIST, `${name}.mjs`), { force: true });
    throw error;
  }
  writeFileSync(STAMP, fingerprint);
  if (options.quiet !== true) console.log(`• built dist/ in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}
