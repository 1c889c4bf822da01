/**
 * Large groups at their full size, with an outside check: docs/groups.md. What was counted is appended to a file, a line a
 * run; a run that was ended is begun again.
 */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeCommit, describeMachine } from '../apps/bench/src/report/machine.ts';
import { checks, type Check } from './groups/checks.ts';
import { GroupStage } from './groups/group-stage.ts';
import { optionsOf, refuse, whole } from './options.ts';

const HELP = `npm run groups -- [options]

  --only NAME     only this check; may be given several times
${checks.map(({ name, members, about }) => `                  ${name.padEnd(10)} ${about} (${String(members)} members)`).join('\n')}
  --members N     instead of its own number, 100 to 100000
  --data-dir DIR  where results.jsonl is, and the logs of runs in which something was wrong. Default: .millrace/groups`;

const values = optionsOf(HELP, {
  only: { type: 'string', multiple: true, default: [] },
  members: { type: 'string' },
  'data-dir': { type: 'string', default: '.millrace/groups' },
});
const members = values.members === undefined ? null : whole('members', values.members, [100, 100_000]);
const dataDir = resolve(values['data-dir']);
const unknown = values.only.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  refuse(`There is no check ${unknown.join(', ')}; there are ${checks.map(({ name }) => name).join(', ')}.`);
}

/** What is wrong is shown so often at most; the file has all of it. */
const SHOWN_MAX = 20;
let stage: GroupStage | null = null;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    console.error('• ending; the run that is under way is not recorded');
    process.exit(130);
  });
}
// Its script was killed: nobody is there to end this one.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.emit('SIGTERM');
}, 1_000).unref();
process.on('exit', () => stage?.killNow());

async function runOnce({ name, run, env, ...check }: Check): Promise<boolean> {
  const at = new Date().toISOString();
  const dir = join(dataDir, 'runs', `${at.replaceAll(':', '-')}-${name}`);
  const count = members ?? check.members;
  const beganMs = performance.now();
  console.error(`• ${name}, ${String(count)} members`);
  let wrong: readonly string[];
  let counted: Readonly<Record<string, unknown>> = {};
  try {
    const bundles = dirname(fileURLToPath(import.meta.url));
    const onStage = (one: GroupStage): void => {
      stage = one;
    };
    stage = await GroupStage.start({ dir, bundles, nodes: check.nodes, env: env(count), onStage });
    ({ wrong, counted } = await run(stage, count, (text) => {
      console.error(`  ${((performance.now() - beganMs) / 1_000).toFixed(0).padStart(4)} s  ${text}`);
    }));
  } catch (error) {
    wrong = [`it did not come to its end: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
  await stage?.close();
  stage = null;
  const seconds = Math.round((performance.now() - beganMs) / 1_000);
  const isOk = wrong.length === 0;
  if (isOk) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  const { cpu, cores, system, node, redis } = await describeMachine();
  const machine = `${String(cores)} × ${cpu}, ${system}, Node ${node}, ${redis ?? 'no Redis'}`;
  const record = {
    at,
    check: name,
    members: count,
    ok: isOk,
    seconds,
    counted,
    wrong,
    commit: describeCommit('.'),
    machine,
  };
  mkdirSync(dataDir, { recursive: true });
  appendFileSync(join(dataDir, 'results.jsonl'), `${JSON.stringify(record)}\n`);
  console.log(
    `\n${name}, ${String(count)} members: ${isOk ? 'all right' : `${String(wrong.length)} wrong`}, ${String(seconds)} s`,
  );
  for (const [what, value] of Object.entries(counted)) {
    console.log(`  ${what.padEnd(24)} ${JSON.stringify(value)}`);
  }
  for (const each of wrong.slice(0, SHOWN_MAX)) console.log(`  WRONG: ${each}`);
  if (!isOk) console.log(`  logs: ${dir}`);
  return isOk;
}

let isAllRight = true;
for (const check of checks) {
  if (values.only.length > 0 && !values.only.includes(check.name)) continue;
  isAllRight = (await runOnce(check)) && isAllRight;
}
process.exit(isAllRight ? 0 : 1);
