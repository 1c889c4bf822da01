import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** Lua files are imported as text, by the tests as by the bundler. */
const luaAsText = {
  name: 'lua-as-text',
  load(id: string): string | null {
    return id.endsWith('.lua') ? `export default ${JSON.stringify(readFileSync(id, 'utf8'))};` : null;
  },
};

export default defineConfig({
  plugins: [luaAsText],
  test: {
    include: ['libs/**/*.test.ts', 'apps/**/*.test.ts', 'scripts/**/*.test.ts'],
    reporters: ['default', './scripts/vitest/summary-reporter.ts'],
    globalSetup: ['./scripts/vitest/built.ts'],
    setupFiles: ['./scripts/vitest/seed.ts'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
