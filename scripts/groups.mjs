import './lib/require-node.mjs';

// `npm run groups`: large groups at their full size, with an outside check; docs/groups.md.
const { runInForeground } = await import('./lib/foreground.mjs');

await runInForeground('dist/groups.mjs');
