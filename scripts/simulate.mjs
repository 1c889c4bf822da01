import './lib/require-node.mjs';

// `npm run simulate -- --seeds 1000`: the core over a model of its store that fails. `--seed S` replays one seed.
const { pathToFileURL } = await import('node:url');
const { ensureInstalled } = await import('./lib/install.mjs');
const { ensureBuilt } = await import('./lib/build.mjs');
const { inRoot } = await import('./lib/paths.mjs');
await ensureInstalled();
await ensureBuilt();
await import(pathToFileURL(inRoot('dist/simulate.mjs')).href);
