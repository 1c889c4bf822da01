import './lib/require-node.mjs';

// `npm run faults`: kills, cuts and moves under load, with an outside check; docs/faults.md.
const { runInForeground } = await import('./lib/foreground.mjs');

await runInForeground('dist/faults.mjs');
