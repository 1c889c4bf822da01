// Lints a few lines that break a rule, as if they stood in a file that does not exist. Lint that accepts one of them
// proves nothing about the files that do. The last ones are correct, and must be accepted.
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { inRoot } from './lib/paths.mjs';

const BOUNDARY = '@nx/enforce-module-boundaries';
const IMPORTS = 'no-restricted-imports';
const SYNTAX = 'no-restricted-syntax';
const PROPERTIES = 'no-restricted-properties';

/** @type {readonly (readonly [file: string, code: string, rule: string | null])[]} */
const CANARIES = [
  ['libs/kernel/src/canary.ts', "import { ERROR } from '@millrace/protocol'; export const x = ERROR;", BOUNDARY],
  ['libs/kernel/src/canary.ts', "import { X } from '../../protocol/src/frames.ts'; export const x = X;", BOUNDARY],
  ['libs/gateway/src/canary.ts', "import { X } from '@millrace/redis-store'; export const x = X;", BOUNDARY],
  ['libs/messaging/src/canary.ts', "import { X } from '@millrace/simulation'; export const x = X;", BOUNDARY],
  ['apps/server/src/canary.ts', "import { X } from '@millrace/simulation'; export const x = X;", BOUNDARY],
  ['libs/client/src/canary.ts', "import { X } from '@millrace/local-redis'; export const x = X;", BOUNDARY],
  ['libs/client/src/canary.ts', "import { readFileSync } from 'node:fs'; export const x = readFileSync;", IMPORTS],
  ['libs/actor/src/canary.ts', "import { readFileSync } from 'fs'; export const x = readFileSync;", IMPORTS],
  ['libs/actor/src/canary.ts', "import { x } from './index.ts'; export const y = x;", IMPORTS],
  [
    'libs/gateway/src/canary.ts',
    "import { setTimeout } from 'node:timers/promises'; export const x = setTimeout;",
    IMPORTS,
  ],
  ['libs/gateway/src/canary.ts', 'export const now = (): number => Date.now();', PROPERTIES],
  ['libs/gateway/src/canary.ts', 'export const chance = (): number => Math.random();', PROPERTIES],
  ['libs/gateway/src/canary.ts', "export const home = process.env['HOME'];", PROPERTIES],
  ['libs/gateway/src/canary.ts', 'export const now = new Date();', SYNTAX],
  ['libs/gateway/src/canary.ts', 'setTimeout(() => undefined, 1);', 'no-restricted-globals'],
  ['libs/gateway/src/canary.ts', 'export default 7;', SYNTAX],
  ['libs/gateway/src/index.ts', "export * from './canary.ts';", SYNTAX],
  ['libs/gateway/src/canary.test.ts', "import { it } from 'vitest'; it.only('runs alone', () => undefined);", SYNTAX],
  ['libs/protocol/src/canary.ts', "import { ok } from '@millrace/kernel'; export const x = ok;", null],
  ['apps/server/src/canary.ts', "import { X } from '@millrace/redis-store'; export const x = X;", null],
  ['libs/kernel/src/clock.ts', 'export const now = (): number => Date.now();', null],
  [
    'libs/redis-store/src/canary.test.ts',
    "import { testRedis } from '@millrace/local-redis/testing'; testRedis();",
    null,
  ],
];

const eslint = new ESLint({
  cwd: inRoot(),
  // These files are in no TypeScript project, so what needs types is left to the run over the real ones.
  overrideConfig: [
    { ...tseslint.configs.disableTypeChecked, files: ['**/*.ts'] },
    { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false, project: false } } },
  ],
});

let wrong = 0;
for (const [file, code, rule] of CANARIES) {
  const [result] = await eslint.lintText(code, { filePath: inRoot(file) });
  const rules = (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
  const right = rule === null ? rules.length === 0 : rules.includes(rule);
  if (right) continue;
  wrong += 1;
  console.log(
    `${file}: ${code}\n  expected ${rule ?? 'no error'}, got ${rules.length === 0 ? 'no error' : rules.join(', ')}`,
  );
}
console.log(`${CANARIES.length - wrong} canaries as expected, ${wrong} not`);
process.exitCode = wrong === 0 ? 0 : 1;
