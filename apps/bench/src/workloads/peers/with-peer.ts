import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPrivateRedis, type PrivateRedis } from '../../processes/private-redis.ts';
import type { BenchHost } from '../bench-host.ts';
import type { MeasuredTarget } from '../run-shape.ts';
import { stoppable, withRole } from '../targets.ts';
import type { Peer } from './peer.ts';

const manifestOf = (peersDir: string, name: string): string => join(peersDir, 'node_modules', name, 'package.json');

/** The versions that are installed. @throws with what to type when one is missing. */
export function versionsOf({ packages }: Peer, peersDir: string): Readonly<Record<string, string>> {
  const missing = packages.filter((name) => !existsSync(manifestOf(peersDir, name)));
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(', ')} is not installed: \`npm run bench -- peers\` does it, or \`npm ci\` in ${peersDir}. ` +
        'The peers are no part of the product, so its own npm ci leaves them out.',
    );
  }
  return Object.fromEntries(
    packages.map((name) => {
      const { version } = JSON.parse(readFileSync(manifestOf(peersDir, name), 'utf8')) as { readonly version: string };
      return [name, version];
    }),
  );
}

/** A Redis as the servers' own, for as long as the job takes. */
async function withRedis<T>(host: BenchHost, job: (redis: PrivateRedis) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-peer-'));
  const stop = async (redis: PrivateRedis): Promise<void> => {
    await redis.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const redis = await stoppable(host, startPrivateRedis(dir, 'memory'), stop);
  try {
    return await job(redis);
  } finally {
    await stop(redis);
  }
}

interface PeerAddress {
  readonly websocket: string;
  readonly engine: string;
}

/** A peer, and a Redis when it needs one, for as long as the job takes. */
export function withPeer<T>(host: BenchHost, peer: Peer, job: (target: MeasuredTarget) => Promise<T>): Promise<T> {
  const run = (redis: PrivateRedis | null): Promise<T> =>
    withRole(
      host,
      'peer',
      [],
      (process, value) => {
        const { websocket } = value as PeerAddress;
        const pids = { nodePids: [process.pid], redisPids: redis?.pids ?? [] };
        return job({ kind: peer.name, websockets: [websocket], secret: '', ...pids, diffusion: 'write' });
      },
      join(host.peersDir, peer.program),
      { NODE_ENV: 'production', ...(redis === null ? {} : { REDIS_URL: redis.url }) },
    );
  return peer.hasRedis ? withRedis(host, run) : run(null);
}
