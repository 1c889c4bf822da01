import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

const TESTS = ['**/*.test.ts', '**/*.bench.ts', '**/testing.ts', '**/testing/**/*.ts', 'apps/*/e2e/**/*.ts'];

/**
 * Shells: the only files that may reach for the platform's time, chance, timers or environment themselves.
 * Everything else gets them handed in, so that a simulation can run it on its own clock.
 */
const SHELLS = [
  'apps/*/src/**/*.ts',
  'libs/kernel/src/clock.ts',
  'libs/kernel/src/random.ts',
  'libs/local-redis/src/**/*.ts',
  'libs/local-postgres/src/**/*.ts',
  'scripts/**/*.ts',
  'vitest.config.ts',
];

/** What each layer may depend on. An arrow that is not here is an error; add it only with its reason. */
const LAYERS = {
  kernel: [],
  protocol: ['kernel'],
  timeline: ['kernel'],
  diffusion: ['kernel'],
  actor: ['kernel'],
  // A commit carries Timeline heads, and an owner activates actors.
  partition: ['kernel', 'timeline', 'actor'],
  // Carries bytes between nodes and knows nothing of what they say.
  'node-link': ['kernel'],
  // A SQLite file of one process, in threads of its own; knows nothing of what is in it.
  'sqlite-file': ['kernel'],
  // What it archives are the entries of Timelines.
  archive: ['kernel', 'timeline', 'sqlite-file'],
  // A command for another node's partition goes over a link; what need not be hot is brought into the archive,
  // and what is to be found into the search index.
  messaging: ['kernel', 'protocol', 'timeline', 'diffusion', 'actor', 'partition', 'node-link', 'archive', 'search'],
  // How far it has come is told by positions in Timelines.
  search: ['kernel', 'timeline', 'sqlite-file'],
  // The ports that it implements are the partition's, the Timeline's and the node streams'.
  'redis-store': ['kernel', 'timeline', 'partition', 'node-link'],
  // A queue of what is to be done at a time; knows nothing of what that is.
  jobs: ['kernel'],
  gateway: ['kernel', 'protocol', 'messaging'],
  'http-api': ['kernel', 'protocol', 'messaging'],
  client: ['kernel', 'protocol'],
  'raw-client': ['kernel', 'protocol'],
  'local-redis': ['kernel'],
  // What starts a server of ours on this machine is there already: ports, processes, the package manager.
  'local-postgres': ['kernel', 'local-redis'],
};
const LIBS = Object.keys(LAYERS);

/** Tests may also start servers of their own. */
function boundaries(inTests) {
  const layerRules = Object.entries(LAYERS).map(([layer, allowed]) => ({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: [layer, ...allowed, ...(inTests ? ['local-redis', 'local-postgres'] : [])].map(
      (name) => `layer:${name}`,
    ),
  }));
  return [
    'error',
    {
      enforceBuildableLibDependency: false,
      allow: [],
      depConstraints: [
        ...layerRules,
        { sourceTag: 'layer:simulation', onlyDependOnLibsWithTags: LIBS.map((name) => `layer:${name}`) },
        { sourceTag: 'layer:app', onlyDependOnLibsWithTags: LIBS.map((name) => `layer:${name}`) },
        ...(inTests ? [] : [{ sourceTag: 'platform:any', onlyDependOnLibsWithTags: ['platform:any'] }]),
      ],
    },
  ];
}

const tagsOf = (lib) => JSON.parse(readFileSync(`libs/${lib}/package.json`, 'utf8')).nx.tags;
const folders = readdirSync('libs').filter((lib) => existsSync(`libs/${lib}/package.json`));
for (const lib of folders) {
  const known = tagsOf(lib).includes(`layer:${lib}`) && (lib in LAYERS || lib === 'simulation');
  if (!known)
    throw new Error(`libs/${lib}: its tag layer:${lib}, or its line in LAYERS (eslint.config.js), is missing`);
}
/** The libs that must also run in a browser, as their own package.json says. */
const browserLibs = folders.filter((lib) => tagsOf(lib).includes('platform:any'));

const noBarrel = {
  regex: '^\\.{1,2}/(.*/)?index\\.ts$',
  message: 'Within a lib, import from the file that defines the name.',
};
const noNode = [
  { regex: '^node:', message: 'This lib also runs where there is no Node.' },
  { regex: `^(${builtinModules.join('|')})$`, message: 'This lib also runs where there is no Node.' },
];
const handedIn = 'Clock, random and timers are handed in (kernel: Clock, Random, Timers).';
const noPlatformTimers = { regex: '^(node:)?timers(/promises)?$', message: handedIn };

const noStarExport = { selector: 'ExportAllDeclaration', message: 'List the public names; no `export *`.' };
const noDefaultExport = { selector: 'ExportDefaultDeclaration', message: 'Export by name.' };
const noClockByStealth = [
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: handedIn },
  { selector: "MemberExpression[property.name='randomUUID']", message: handedIn },
  { selector: "ImportSpecifier[imported.name='randomUUID']", message: handedIn },
];
const noFocusedTest = {
  selector: 'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo|skipIf|fails)$/]',
  message: 'A test runs or is deleted.',
};
const TIMERS = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'];

export default tseslint.config(
  { ignores: ['**/node_modules/**', '**/dist/**', '.nx/**', '.millrace/**', 'coverage/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@nx/enforce-module-boundaries': boundaries(false),
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-invalid-void-type': ['error', { allowAsThisParameter: true }],
      // `Record<never, never>` is how a command without parameters is written here.
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      // An adapter in memory implements a port of promises: `async` turns what it throws into a rejection.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', noStarExport, noDefaultExport, ...noClockByStealth],
      'no-restricted-globals': ['error', ...TIMERS.map((name) => ({ name, message: handedIn }))],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: handedIn },
        { object: 'performance', property: 'now', message: handedIn },
        { object: 'Math', property: 'random', message: handedIn },
        { object: 'process', property: 'env', message: 'Only the server app reads the environment.' },
        ...TIMERS.map((property) => ({ object: 'globalThis', property, message: handedIn })),
      ],
      'no-restricted-imports': ['error', { patterns: [noBarrel, noPlatformTimers] }],
    },
  },
  {
    // Plain JavaScript: what must run before anything is installed, and the tools' configurations.
    files: ['**/*.mjs', '**/*.js'],
    extends: [...tseslint.configs.recommended],
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { eqeqeq: 'error' },
  },
  {
    files: browserLibs.map((lib) => `libs/${lib}/src/**/*.ts`),
    // An entry of its own for Node, beside the one for everywhere.
    ignores: ['libs/*/src/node.ts', 'libs/*/src/node/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [noBarrel, ...noNode] }] },
  },
  {
    files: SHELLS,
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-imports': ['error', { patterns: [noBarrel] }],
      'no-restricted-syntax': ['error', noStarExport, noDefaultExport],
      'no-console': 'off',
    },
  },
  {
    files: TESTS,
    rules: {
      '@nx/enforce-module-boundaries': boundaries(true),
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-imports': ['error', { patterns: [noBarrel] }],
      'no-restricted-syntax': ['error', noStarExport, noDefaultExport, noFocusedTest],
      'no-console': 'off',
    },
  },
  {
    // Vitest takes its configuration from a default export; `import x from './file.lua'` needs one declared.
    files: ['vitest.config.ts', '**/*.d.ts', 'scripts/vitest/*.ts'],
    rules: { 'no-restricted-syntax': ['error', noStarExport] },
  },
);
