import './lib/require-node.mjs';

const { ensureInstalled } = await import('./lib/install.mjs');
const { ensureBuilt } = await import('./lib/build.mjs');
await ensureInstalled();
await ensureBuilt({ always: true });
