import './lib/require-node.mjs';

// `npm run bench -- <workload> …`: the bench, built from the sources as they are.
const { pathToFileURL } = await import('node:url');
const { ensureInstalled } = await import('./lib/install.mjs');
const { ensureBuilt } = await import('./lib/build.mjs');
const { inRoot } = await import('./lib/paths.mjs');
await ensureInstalled();
// What Millrace is measured beside: no part of the product.
const wantsPeers = process.argv.some((word) => word === 'peers' || word === 'all');
if (wantsPeers) await ensureInstalled({ folder: 'apps/bench/peers', what: 'what Millrace is measured beside' });
await ensureBuilt();
process.argv[1] = inRoot('dist/bench.mjs');
await import(pathToFileURL(inRoot('dist/bench.mjs')).href);
