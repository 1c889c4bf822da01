import type { LocalRedis } from '@millrace/local-redis';
import { LENGTH_IN_LUA } from '@millrace/redis-store/testing';
import { ask, roleOf } from './setting.ts';
import type { FaultNode } from './fault-node.ts';

/** What is looked at while a cluster works for long. */
export type Sample = Readonly<Record<string, number>>;

const SCAN_COUNT = 1_000;

/** Of a node's metrics, under the name that it has in a sample: what grows where something is never taken away. */
const NODE_METRICS: Readonly<Record<string, { readonly name: string; readonly times: number }>> = {
  process_resident_memory_bytes: { name: 'residentBytes', times: 1 },
  nodejs_heap_size_used_bytes: { name: 'heapBytes', times: 1 },
  nodejs_eventloop_lag_p99_seconds: { name: 'eventLoopP99Ms', times: 1_000 },
  millrace_commands_queued: { name: 'commandsQueued', times: 1 },
  millrace_commands_routing: { name: 'commandsRouting', times: 1 },
  millrace_users_behind: { name: 'usersBehind', times: 1 },
  millrace_actors_resting: { name: 'actorsResting', times: 1 },
};

/** Those of the Prometheus text that {@link NODE_METRICS} names. */
export function nodeSample(node: string, text: string): Sample {
  const sample: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [, metric, value] = /^([a-z0-9_]+) (\S+)/.exec(line) ?? [];
    const known = NODE_METRICS[metric ?? ''];
    if (known !== undefined) sample[`${node} ${known.name}`] = Number(value) * known.times;
  }
  return sample;
}

/** What a key is part of, by its name; null for what stands alone. */
export function streamOf(key: string): 'timelines' | 'inboxes' | 'feeds' | 'nodeStreams' | 'deadLetters' | null {
  if (/:t:c:/.test(key)) return 'timelines';
  if (/:t:u:/.test(key)) return 'inboxes';
  if (key.endsWith(':feed')) return 'feeds';
  if (key.endsWith(':in')) return 'nodeStreams';
  return key.endsWith(':dead') ? 'deadLetters' : null;
}

async function keysOf(redis: LocalRedis): Promise<readonly string[]> {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const [next, page] = (await ask(redis, 'SCAN', cursor, 'COUNT', SCAN_COUNT)) as [unknown, readonly unknown[]];
    cursor = String(next);
    keys.push(...page.map(String));
  } while (cursor !== '0');
  return keys;
}

/** The sums over all masters; nothing while one of them is away. */
export async function redisSample(all: readonly LocalRedis[], masters: number): Promise<Sample> {
  try {
    const roles = await Promise.all(all.map(roleOf));
    const serving = all.filter((_, index) => roles[index] === 'master');
    return serving.length === masters ? await sumsOf(serving) : {};
  } catch {
    return {};
  }
}

const LENGTH = `${LENGTH_IN_LUA} return length(KEYS[1])`;

/** `usedBytes` leaves out the Timelines, which are what was written, and stay. */
async function sumsOf(masters: readonly LocalRedis[]): Promise<Sample> {
  const sums = {
    keys: 0,
    usedBytes: 0,
    timelines: 0,
    timelineBytes: 0,
    inboxes: 0,
    feeds: 0,
    nodeStreams: 0,
    deadLetters: 0,
  };
  for (const redis of masters) {
    const memory = /used_memory:(\d+)/.exec(String(await ask(redis, 'INFO', 'memory')));
    sums.usedBytes += Number(memory?.[1] ?? 0);
    for (const key of await keysOf(redis)) {
      sums.keys += 1;
      const stream = streamOf(key);
      if (stream === null) continue;
      sums[stream] += Number(await ask(redis, 'EVAL', LENGTH, 1, key));
      if (stream !== 'timelines') continue;
      const bytes = Number((await ask(redis, 'MEMORY', 'USAGE', key)) ?? 0);
      sums.timelineBytes += bytes;
      sums.usedBytes -= bytes;
    }
  }
  return Object.fromEntries(Object.entries(sums).map(([name, value]) => [`redis ${name}`, value]));
}

/** One that is down or stands still is left out. */
export async function sampleOf(node: FaultNode, apiKey: string): Promise<Sample> {
  try {
    const answer = await fetch(`${node.url}/metrics`, {
      headers: { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(2_000),
    });
    return answer.ok ? nodeSample(node.name, await answer.text()) : {};
  } catch {
    return {};
  }
}
