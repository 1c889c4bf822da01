import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { readServerConfig, type ServerConfig } from '../../apps/server/src/server-config.ts';
import { variables } from '../../apps/server/src/config/variables.ts';
import { parseDockerfile } from '../lib/dockerfile.mjs';
import { inRoot } from '../lib/paths.mjs';

const stages = parseDockerfile(readFileSync(inRoot('docker/Dockerfile'), 'utf8'));

/** The stages of docker/Dockerfile; the last one is the image. */
export const dockerStages = stages;

export function dockerImage(): (typeof stages)[number] {
  const image = stages.at(-1);
  if (image === undefined) throw new Error('docker/Dockerfile has no stage');
  return image;
}

/** What the server makes of a container's environment over the image's: its configuration, and every complaint. */
export function configOf(environment: Readonly<Record<string, string>>): {
  readonly config: ServerConfig | null;
  readonly complaints: readonly string[];
} {
  const read = readServerConfig({ ...dockerImage().env, ...environment });
  if (!read.ok) return { config: null, complaints: read.error };
  return { config: read.value.config, complaints: read.value.warnings };
}

const names: ReadonlySet<string> = new Set([...Object.values(variables).map(({ name }) => name), 'NODE_ENV']);

/** The names that the server reads nothing from; NODE_ENV is read by the packages below it. */
export const namesUnread = (environment: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.keys(environment).filter((name) => !names.has(name));

/** The names of secrets' variables that are given a value in the open. */
export const secretsInTheOpen = (environment: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.values(variables)
    // An address in the network of a compose file is no secret; with a password it would be.
    .filter(({ name, secret }) => secret && (name !== 'REDIS_URL' || String(environment[name]).includes('@')))
    .map(({ name }) => name)
    .filter((name) => environment[name] !== undefined);

/** The addresses of the HTTP API that answer without a key; docs/openapi.yaml is held to the server by its own tests. */
export function openPaths(): readonly string[] {
  const { paths } = parse(readFileSync(inRoot('docs/openapi.yaml'), 'utf8')) as {
    readonly paths: Readonly<Record<string, { readonly get?: { readonly security?: readonly unknown[] } }>>;
  };
  return Object.entries(paths).flatMap(([path, { get }]) => (get?.security?.length === 0 ? [path] : []));
}

/** What the server gives itself beside the draining before it ends at once, in milliseconds. */
export function stopMsMax(): number {
  const source = readFileSync(inRoot('apps/server/src/ending.ts'), 'utf8');
  return Number(/const STOP_MS_MAX = ([\d_]+);/.exec(source)?.[1]?.replaceAll('_', ''));
}
