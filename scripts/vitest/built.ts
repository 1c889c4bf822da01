import { ensureBuilt } from '../lib/build.mjs';

/**
 * End-to-end tests run dist/. A build that fails leaves none, so that they fail and say why, while the others, which
 * need no build, still run.
 */
export async function setup(): Promise<void> {
  try {
    await ensureBuilt({ quiet: true });
  } catch (error) {
    console.error(`dist/ could not be built: ${String(error)}`);
  }
}
