/** Cycles inside a lib; arrows between libs are ESLint's (see eslint.config.js). */
module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      comment: 'A cycle means that two files are one, or that a third one is missing between them.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unlisted-package',
      comment: 'Every package that a lib imports is in its own package.json, or in the root one for tools and tests.',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$|/e2e/|/testing\\.ts$' },
      to: { dependencyTypes: ['npm-no-pkg', 'unknown', 'undetermined'], pathNot: '\\.lua$' },
    },
    {
      name: 'no-test-in-program',
      comment: 'What ships does not import what tests.',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$|/e2e/|/testing' },
      to: { path: '\\.test\\.ts$|/e2e/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // What peers of the bench import is installed when it is asked for, and may be missing.
    exclude: { path: '(^|/)(dist|\\.millrace|\\.nx)/|^apps/bench/peers/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
