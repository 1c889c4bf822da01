// Run by bugs.mjs, as a process of its own: <faulty simulation> <sound simulation> <invariant> <first seed> <how many at most>.
// Prints the first seed that the faulty program fails and the sound one passes, as JSON.
import { pathToFileURL } from 'node:url';

const [faulty = '', sound = '', invariant, from = '1', count = '1'] = process.argv.slice(2);
/** @typedef {import('@millrace/simulation')} Simulation @type {(path: string) => Promise<Simulation>} */
const load = (path) => import(pathToFileURL(path).href);
const [one, other] = await Promise.all([load(faulty), load(sound)]);
const startedMs = performance.now();
/** @type {import('./bugs.mjs').Caught | null} */
let caught = null;
for (let seed = Number(from); caught === null && seed < Number(from) + Number(count); seed += 1) {
  const { violations, options } = await one.simulate(seed);
  // The violation that names the invariant, or another one. What throws where it never would has no name: an edit may no
  // longer fit the program, and nothing was checked then.
  const named = violations.filter((violation) => violation.startsWith('('));
  const says = named.find((violation) => violation.startsWith(`(${invariant})`)) ?? named[0];
  // What fails without the bug, too, is not caught by this seed.
  if (says === undefined || (await other.simulate(seed)).violations.length > 0) continue;
  const { nodes, level } = options;
  caught = {
    seed,
    seeds: seed - Number(from) + 1,
    says,
    nodes,
    level,
    seconds: (performance.now() - startedMs) / 1_000,
  };
}
console.log(JSON.stringify(caught));
