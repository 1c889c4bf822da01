import { testRedis } from '@millrace/local-redis/testing';
import { inspectRedis } from '@millrace/redis-store';
import { describe, expect, it } from 'vitest';
import { commandWords, readCompose, redisServices } from './lib/compose.mjs';

/** The options of a command, as settings of a Redis that this test starts. */
function settingsOf(words: readonly string[]): Record<string, string> {
  const settings: Record<string, string> = {};
  for (let index = 1; index < words.length; index += 2) {
    const [name = '', value = ''] = words.slice(index);
    if (!name.startsWith('--')) throw new Error(`${name} is no option`);
    settings[name.slice(2)] = value;
  }
  return settings;
}

const started = ['docker/compose.yaml', 'docker/compose.cluster.yaml', 'docker/compose.roles.yaml'].map((path) => {
  const commands = redisServices(readCompose(path)).map(([, service]) => commandWords(service));
  return { path, commands, settings: settingsOf(commands[0] ?? []) };
});

describe.each(started)('the Redis of $path', ({ commands, settings }) => {
  const redis = testRedis({ config: settings });

  it('is one that Millrace has nothing to say against, at the ack level of its nodes', async () => {
    const inspection = await inspectRedis(redis.url, 'disk');
    expect(inspection).toMatchObject({ ok: true, value: { findings: [] } });
  });

  it('is started everywhere alike', () => {
    expect(new Set(commands.map((words) => words.join(' '))).size).toBe(1);
  });
});
