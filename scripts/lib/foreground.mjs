import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { inRoot } from './paths.mjs';
import { endAll, passOn, run, watchParent } from './processes.mjs';

/**
 * Runs one of the built programs that start nodes of their own, in the foreground, with the arguments of this process, and
 * ends with its exit code. Finds or installs Redis first. It ends what it started when it is told to, and when it fails.
 *
 * @param {string} bundle - such as `dist/faults.mjs`.
 */
export async function runInForeground(bundle) {
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
    const { code } = await run(process.execPath, ['--enable-source-maps', inRoot(bundle), ...process.argv.slice(2)]);
    // One that was killed leaves its nodes behind.
    await endAll();
    process.exit(code);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    await endAll();
    process.exit(1);
  }
}
