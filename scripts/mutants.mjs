import './lib/require-node.mjs';

// `npm run mutants [-- part of a name]`: takes one guard away at a time and shows that a test goes red for each.
const { readFileSync } = await import('node:fs');
const { ensureInstalled } = await import('./lib/install.mjs');
const { runMutants } = await import('./lib/mutants.mjs');
const { inRoot, root } = await import('./lib/paths.mjs');
const { endAll } = await import('./lib/processes.mjs');

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => void endAll().then(() => process.exit(130)));
}

await ensureInstalled();
/** @type {import('./lib/mutants.mjs').Mutant[]} */
const all = JSON.parse(readFileSync(inRoot('scripts/mutants.json'), 'utf8'));
const wanted = process.argv[2] ?? '';
const mutants = all.filter(({ name }) => name.includes(wanted));
if (mutants.length === 0) {
  console.error(`no mutant has ${JSON.stringify(wanted)} in its name`);
  process.exit(1);
}
const verdicts = await runMutants(root, mutants, (line) => console.log(`  ${line}`));
console.log();
for (const { verdict, guards, name, detail } of verdicts) {
  console.log(`${verdict.padEnd(8)}  ${guards.padEnd(4)}  ${name}\n                by ${detail}`);
}
const killed = verdicts.filter(({ verdict }) => verdict === 'killed').length;
process.exitCode = killed === verdicts.length ? 0 : 1;
console.log(`\n${killed} killed, ${verdicts.length - killed} survived`);
