import './lib/require-node.mjs';

// `node scripts/search-recall.mjs --corpus FILE`: whether the embedded search index finds all that is there; docs/search.md.
const { runInForeground } = await import('./lib/foreground.mjs');

await runInForeground('dist/search-recall.mjs');
