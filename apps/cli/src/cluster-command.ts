import type { Result } from '@millrace/kernel';
import { apiKeyOptions, findApiKey } from './api-key.ts';
import { lookAtCluster, type ClusterAnswer, type LookFault } from './cluster/cluster-answer.ts';
import { clusterLines, isAllServed, partitionLines } from './cluster/cluster-table.ts';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { urlOf, urlOption } from './endpoints.ts';
import type { Terminal } from './terminal.ts';
import { waitOrAbort } from './wait.ts';

const WATCH_MS = 1_000;

function show(args: Args, terminal: Terminal, cluster: ClusterAnswer): void {
  if (args.flag('json')) {
    terminal.out(JSON.stringify(cluster, null, args.flag('watch') ? 0 : 2));
    return;
  }
  for (const line of clusterLines(cluster)) terminal.out(line);
  if (!args.flag('partitions')) return;
  terminal.out('');
  for (const line of partitionLines(cluster)) terminal.out(line);
}

function told(args: Args, terminal: Terminal, look: Result<ClusterAnswer, LookFault>): number {
  if (look.ok) {
    show(args, terminal, look.value);
    return isAllServed(look.value) ? exitCode.done : exitCode.failed;
  }
  terminal.note(look.error.message);
  return look.error.isFinal ? exitCode.misused : exitCode.failed;
}

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  if (args.words.length > 0) return misused('cluster takes options only.');
  if (args.flag('json') && args.flag('partitions')) return misused('--json has the partitions already.');
  const url = urlOf(args, environment);
  if (!url.ok) return misused(url.error);
  const key = findApiKey(args, environment);
  if (!key.ok) return misused(key.error);
  const { interrupted } = terminal;
  let code: number = exitCode.failed;
  for (let looks = 0; ; looks += 1) {
    const look = await lookAtCluster(url.value, key.value, interrupted);
    if (interrupted.aborted) return code;
    if (looks > 0 && !args.flag('json')) terminal.clear();
    code = told(args, terminal, look);
    if (!args.flag('watch') || code === exitCode.misused) return code;
    await waitOrAbort(WATCH_MS, interrupted);
  }
}

export const clusterCommand: Command = {
  name: 'cluster',
  usage: '[options]',
  summary: 'Shows the nodes, what each owns and how it is, and what is not served',
  description: [
    'Asks one node, which asks the others. A line for each: its roles; serving, draining, or silent when it does not ' +
      'answer; the partitions that it is to own (and serves, when that differs), the users with sockets on it, the ' +
      'commands that wait, and its lag: commits that have not reached all inboxes.',
    'The exit code is 0 when every node answers and every partition is served, 1 when not, 2 when it was asked wrongly.',
  ],
  options: [
    { name: 'partitions', help: 'Shows every partition, too: its owner, and where it stands.' },
    { name: 'json', help: 'Prints the answer of the server as it is (docs/openapi.yaml, getCluster).' },
    {
      name: 'watch',
      help: 'Looks again every second until it is interrupted. The exit code is that of the last look.',
    },
    urlOption,
    ...apiKeyOptions,
  ],
  run,
};
