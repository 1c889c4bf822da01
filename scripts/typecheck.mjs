import './lib/require-node.mjs';

// The sources, strictly; then these scripts, which are plain JavaScript so that they run before anything is installed.
const { inRoot } = await import('./lib/paths.mjs');
const { run } = await import('./lib/processes.mjs');

let worst = 0;
for (const config of ['tsconfig.json', 'tsconfig.scripts.json']) {
  const { code } = await run(process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '-p', inRoot(config)]);
  worst = Math.max(worst, code);
}
process.exitCode = worst;
