import { exitCode, type Args, type Command, type Context } from './command.ts';
import { findingLines, type Finding } from './doctor/finding.ts';
import { judgeNode } from './doctor/judge.ts';
import {
  lookAtEngine,
  lookAtMachine,
  lookAtRedis,
  lookAtServer,
  lookForRedisServer,
  lookForSecret,
} from './doctor/look.ts';
import { urlOf, urlOption } from './endpoints.ts';
import { dataDirOf } from './token-source.ts';

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const url = urlOf(args, environment);
  if (!url.ok) {
    terminal.note(url.error);
    return exitCode.misused;
  }
  const dataDir = dataDirOf(args, environment);
  const redisUrl = args.text('redis-url') ?? environment.redisUrl;
  const looks: readonly (() => readonly Finding[] | Finding | Promise<readonly Finding[] | Finding>)[] = [
    () => judgeNode(process.versions.node),
    () => lookForRedisServer(redisUrl),
    () => lookAtRedis(redisUrl, dataDir),
    () => lookAtEngine(),
    () => lookAtMachine(dataDir),
    () => lookForSecret(dataDir),
    () => lookAtServer(url.value),
  ];
  const counts = { ok: 0, warn: 0, fail: 0 };
  for (const look of looks) {
    for (const finding of [await look()].flat()) {
      counts[finding.level] += 1;
      for (const line of findingLines(finding)) terminal.out(line);
    }
  }
  terminal.out(`${String(counts.ok)} ok, ${String(counts.warn)} warnings, ${String(counts.fail)} failures`);
  return counts.fail === 0 ? exitCode.done : exitCode.failed;
}

export const doctorCommand: Command = {
  name: 'doctor',
  usage: '[options]',
  summary: 'Checks this machine and the server, and says what to do about what is wrong',
  description: [
    'One line for each check, and what to do beneath those that did not go well. The exit code is 0 when nothing failed; ' +
      'warnings do not count.',
  ],
  options: [
    {
      name: 'redis-url',
      value: 'URL',
      help: 'Looks at this Redis. Default: REDIS_URL, else the private one of the data directory.',
    },
    { name: 'data-dir', value: 'DIR', help: 'Where the development server keeps its things. Default: .millrace' },
    urlOption,
  ],
  run,
};
