import { createHash } from 'node:crypto';
import { invariant } from '@millrace/kernel';
import { Cluster, type Redis } from 'ioredis';
import addToNodeStream from './functions/add-to-node-stream.lua';
import claim from './functions/claim.lua';
import commit from './functions/commit.lua';
import leadCluster from './functions/lead-cluster.lua';
import leaveCluster from './functions/leave-cluster.lua';
import putView from './functions/put-view.lua';
import readFields from './functions/read-fields.lua';
import readRanges from './functions/read-ranges.lua';
import registerMember from './functions/register-member.lua';
import holdNodeStream from './functions/hold-node-stream.lua';
import openNodeStream from './functions/open-node-stream.lua';
import release from './functions/release.lua';
import shared from './functions/shared.lua';

export type RedisClient = Redis | Cluster;

export interface FunctionLibrary {
  readonly name: string;
  readonly source: string;
}

export type FunctionName =
  | 'commit'
  | 'commit_freeing'
  | 'claim'
  | 'release'
  | 'register_member'
  | 'leave_cluster'
  | 'lead_cluster'
  | 'put_view'
  | 'read_fields'
  | 'read_ranges'
  | 'open_node_stream'
  | 'add_to_node_stream'
  | 'hold_node_stream';

const operations = [
  claim,
  commit,
  release,
  registerMember,
  leaveCluster,
  leadCluster,
  putView,
  readFields,
  readRanges,
  openNodeStream,
  addToNodeStream,
  holdNodeStream,
]
  .map((source) => `do\n${source}end\n`)
  .join('\n');

const source = `${shared}\n${operations}`;

/**
 * All functions as one library. Its name, and so each function's, holds a hash of the source: two versions of the
 * program can share a Redis, each with the functions it was tested with. (Function names are unique in a whole Redis.)
 */
export const functionLibrary: FunctionLibrary = (() => {
  const name = `millrace_${createHash('sha256').update(source).digest('hex').slice(0, 12)}`;
  return { name, source: `#!lua name=${name}\nlocal LIBRARY = '${name}'\n\n${source}` };
})();

export const functionName = (name: FunctionName): string => `${functionLibrary.name}_${name}`;

/** Whether a function was not there. Then it did not run, so that calling it again executes it once (I5). */
export const isFunctionMissing = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('ERR Function not found');

/** Loads the library where it is absent: on every master, since functions are looked up where the keys are. */
export async function loadLibrary(client: RedisClient): Promise<void> {
  const masters = client instanceof Cluster ? client.nodes('master') : [client];
  await Promise.all(
    masters.map(async (master) => {
      const found = (await master.function('LIST', 'LIBRARYNAME', functionLibrary.name)) as readonly unknown[];
      if (found.length === 0) await master.function('LOAD', 'REPLACE', functionLibrary.source);
    }),
  );
}

/** Calls one function, and once more if the library had to be loaded first. */
export function callFunction(
  client: RedisClient,
  name: FunctionName,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
): Promise<unknown> {
  return loadedFor(client, () => client.fcall(functionName(name), keys.length, ...keys, ...args));
}

/** The same of one that only reads and answers a text of bytes. */
export async function readByFunction(
  client: RedisClient,
  name: FunctionName,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
): Promise<Buffer> {
  // Not among the types of the client, which makes it for every command.
  const reader = client as unknown as Readonly<
    Record<'fcall_roBuffer', (name: string, keyCount: number, ...more: (string | Buffer)[]) => Promise<unknown>>
  >;
  const reply = await loadedFor(client, () => reader.fcall_roBuffer(functionName(name), keys.length, ...keys, ...args));
  invariant(Buffer.isBuffer(reply), `the function ${name} answers one text`);
  return reply;
}

async function loadedFor(client: RedisClient, send: () => Promise<unknown>): Promise<unknown> {
  try {
    return await send();
  } catch (error) {
    if (!isFunctionMissing(error)) throw error;
    await loadLibrary(client);
    return await send();
  }
}
