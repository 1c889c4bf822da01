import './lib/require-node.mjs';

// `npm run cluster`: three nodes over a Redis Cluster of six, on this machine.
const { runInForeground } = await import('./lib/foreground.mjs');

await runInForeground('dist/cluster.mjs');
