import './lib/require-node.mjs';

// `npm run bugs [-- part of a name]`: puts each bug of scripts/bugs.json into the simulation and runs seeds until a
// checker speaks; then into the functions in Redis, where the suites of the store must go red. `--limit 3000` seeds.
const { writeFileSync } = await import('node:fs');
const { parseArgs } = await import('node:util');
const { ensureInstalled } = await import('./lib/install.mjs');
const { runMutants } = await import('./lib/mutants.mjs');
const { inRoot, root } = await import('./lib/paths.mjs');
const { endAll } = await import('./lib/processes.mjs');

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => void endAll().then(() => process.exit(130)));
}

const HELP = `npm run bugs -- [part of a name] [options]

  --limit N   seeds for each bug, from 1. Default: 3000
  --record    writes the seeds that were found into scripts/bugs.json, for the short form in the tests`;

function asked() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        limit: { type: 'string', default: '3000' },
        record: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    process.exit(2);
  }
}
const { values, positionals } = asked();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const count = Number(values.limit);
if (!Number.isSafeInteger(count) || count < 1) {
  console.error(`--limit must be a whole number of seeds from 1, got ${JSON.stringify(values.limit)}`);
  process.exit(2);
}
await ensureInstalled();
const { allBugs, hunt, inBugFolder, STORE_SUITES } = await import('./lib/bugs.mjs');
const all = allBugs();
const bugs = all.filter(({ name }) => name.includes(positionals[0] ?? ''));
if (bugs.length === 0) {
  console.error(`no bug has ${JSON.stringify(positionals[0])} in its name`);
  process.exit(1);
}

let missed = 0;
console.log(`seeds from 1 to ${count}, each with the nodes and the ack level that it chooses\n`);
console.log('| bug | seed | seeds | nodes | level | seconds | what the checker said |');
console.log('| --- | ---- | ----- | ----- | ----- | ------- | --------------------- |');
await inBugFolder(async (folder) => {
  for (const bug of bugs) {
    const caught = await hunt(folder, bug, { from: 1, count });
    if (caught === null) {
      missed += 1;
      console.log(`| ${bug.name} | not caught | | | | | |`);
      continue;
    }
    const { seed, seeds, nodes, level, seconds, says } = caught;
    console.log(`| ${bug.name} | ${seed} | ${seeds} | ${nodes} | ${level} | ${seconds.toFixed(1)} | ${says} |`);
    bug.seed = seed;
    bug.says = says;
  }
});
if (values.record) writeFileSync(inRoot('scripts/bugs.json'), `${JSON.stringify(all, null, 2)}\n`);

const inRedis = bugs.flatMap(({ name, guards, inRedis: edits = [] }) =>
  edits.flatMap((edit) => STORE_SUITES.map((suite) => ({ name, guards, ...edit, tests: [suite] }))),
);
if (inRedis.length > 0) {
  console.log('\nthe same in the functions in Redis:');
  for (const { verdict, name, detail } of await runMutants(root, inRedis, () => undefined)) {
    if (verdict !== 'killed') missed += 1;
    console.log(`${verdict.padEnd(8)}  ${name}\n          by ${detail}`);
  }
}
process.exitCode = missed === 0 ? 0 : 1;
console.log(`\n${missed === 0 ? 'every bug was caught' : `${missed} not caught`}`);
