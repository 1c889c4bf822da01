import './lib/require-node.mjs';

// Lint, in an order that cannot lie: the graph first, then the proof that the boundaries fail, then the project.
const { inRoot } = await import('./lib/paths.mjs');
const { run } = await import('./lib/processes.mjs');

process.env['NX_DAEMON'] = 'false';
const node = process.execPath;
const bin = (/** @type {string[]} */ ...parts) => inRoot('node_modules', ...parts);

const CHECKS = [
  // Without a graph the boundary rule finds nothing and says so with exit code 0.
  ['project graph', bin('nx', 'dist', 'bin', 'nx.js'), 'graph', '--file=.nx/graph.json'],
  ['canaries', inRoot('scripts/lint-canaries.mjs')],
  ['eslint', bin('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0'],
  [
    'cycles',
    bin('dependency-cruiser', 'bin', 'dependency-cruise.mjs'),
    'libs',
    'apps',
    'scripts',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'err',
  ],
  ['prettier', bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.'],
];

/** @type {string[]} */
const failed = [];
for (const [name = '', ...args] of CHECKS) {
  const { code, output } = await run(node, args, { capture: true });
  console.log(`${name}: ${code === 0 ? 'ok' : 'FAILED'}`);
  if (code === 0) continue;
  console.log(output);
  failed.push(name);
  // The rest would be judged without the graph.
  if (name === 'project graph') break;
}
process.exitCode = failed.length === 0 ? 0 : 1;
