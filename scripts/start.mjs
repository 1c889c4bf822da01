import './lib/require-node.mjs';

// `npm start`: from a fresh clone to a server that answers, in development mode.
const { existsSync } = await import('node:fs');
const { ensureInstalled } = await import('./lib/install.mjs');
const { ensureBuilt } = await import('./lib/build.mjs');
const { inRoot } = await import('./lib/paths.mjs');
const { endAll, passOn, run, watchParent } = await import('./lib/processes.mjs');

/** An interrupt comes twice from a terminal, once by the terminal and once by npm: within this time it is one. */
const SAME_INTERRUPT_MS = 500;

let serving = false;
let lastSignalMs = -Infinity;

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    const nowMs = performance.now();
    if (nowMs - lastSignalMs < SAME_INTERRUPT_MS) return;
    lastSignalMs = nowMs;
    // The server drains and ends by itself, and this script with it; a second signal makes it end at once.
    if (serving) passOn(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    else void endAll(signal).then(() => process.exit(130));
  });
}

// Killed npm leaves this script behind; it is not to leave a server.
watchParent(() => process.emit('SIGTERM'));

try {
  await ensureInstalled();
  await ensureBuilt();
  if (process.env['REDIS_URL'] === undefined) {
    const { code } = await run(process.execPath, [inRoot('dist/setup.mjs')]);
    if (code !== 0) process.exit(code);
  }
  const server = inRoot('dist/server.mjs');
  if (!existsSync(server)) throw new Error(`${server} was not built: apps/server/src/main.ts is missing`);
  serving = true;
  const { code } = await run(process.execPath, ['--enable-source-maps', server, ...process.argv.slice(2)], {
    env: { MILLRACE_MODE: 'development', ...process.env },
  });
  // Also what the server could not end any more, had it been killed.
  await endAll();
  process.exit(code);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await endAll();
  process.exit(1);
}
