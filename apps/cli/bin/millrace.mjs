#!/usr/bin/env node
import '../../../scripts/lib/require-node.mjs';

// `npx millrace …` in a clone: installs and builds when something changed, saying nothing, then runs the command.
const { pathToFileURL } = await import('node:url');
const { ensureInstalled } = await import('../../../scripts/lib/install.mjs');
const { ensureBuilt } = await import('../../../scripts/lib/build.mjs');
const { inRoot } = await import('../../../scripts/lib/paths.mjs');
await ensureInstalled({ quiet: true });
await ensureBuilt({ quiet: true });
process.argv[1] = inRoot('dist/cli.mjs');
await import(pathToFileURL(inRoot('dist/cli.mjs')).href);
