import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = new URL('../../../../', import.meta.url);

interface Bundler {
  readonly bundle: (entryPoints: Readonly<Record<string, string>>, outdir: string) => Promise<void>;
}

/** Makes a program of one of the sources, to run as a process of its own; below the root, where it finds its packages. */
export async function bundledProgram(source: string): Promise<{ readonly file: string; readonly remove: () => void }> {
  const { bundle } = (await import(new URL('scripts/lib/build.mjs', root).href)) as Bundler;
  const parent = fileURLToPath(new URL('.millrace/', root));
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'program-'));
  await bundle({ program: source }, folder);
  return {
    file: join(folder, 'program.mjs'),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
