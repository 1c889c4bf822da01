import './lib/require-node.mjs';

// `npm run groups`: large groups at their full size, with an outside check; docs/groups.md.
const { ensureInstalled } = await import('./lib/install.mjs');
const { ensureBuilt } = await import('./lib/build.mjs');
const { inRoot } = await import('./lib/paths.mjs');
const { endAll, passOn, run, watchParent } = await import('./lib/processes.mjs');

let serving = false;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    if (serving) passOn('SIGTERM');
    else void endAll(signal).then(() => process.exit(130));
  });
}
// Killed npm leaves this script behind; it is not to leave a cluster.
watchParent(() => process.emit('SIGTERM'));

try {
  await ensureInstalled();
  await ensureBuilt();
  const { code: found } = await run(process.execPath, [inRoot('dist/setup.mjs')]);
  if (found !== 0) process.exit(found);
  serving = true;
  const { code } = await run(process.execPath, [
    '--enable-source-maps',
    inRoot('dist/groups.mjs'),
    ...process.argv.slice(2),
  ]);
  // One that was killed leaves its nodes behind.
  await endAll();
  process.exit(code);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await endAll();
  process.exit(1);
}
