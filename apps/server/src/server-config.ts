import { err, ok, type Result } from '@millrace/kernel';
import { hostname } from 'node:os';
import { readVariable, type Variable } from './config/variable.ts';
import { variables } from './config/variables.ts';
import { searchContradictions } from './search/search-choice.ts';

type ValueOf<V> = V extends Variable<infer Out> ? Out : never;
type Values = { -readonly [Name in keyof typeof variables]: ValueOf<(typeof variables)[Name]> };

export type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration, read and checked, with what follows from other variables filled in. */
export interface ServerConfig extends Readonly<Omit<Values, 'socketPort' | 'nodeName' | 'logFormat' | 'drainMs'>> {
  readonly socketPort: number;
  readonly nodeName: string;
  readonly drainMs: number;
  readonly logFormat: 'text' | 'json';
}

export interface ConfigRead {
  readonly config: ServerConfig;
  /** Nothing wrong, but an operator should know. */
  readonly warnings: readonly string[];
}

const ALIASES: Readonly<Record<string, string>> = { MILLRACE_REDIS_URL: 'REDIS_URL' };

/** Read by other programs of Millrace. */
const FOREIGN = /^MILLRACE_(API_KEY$|(TOKEN|URL|TEST|BENCH)(_|$))/;

const isLoopback = (host: string): boolean => /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host);

function withAliases(env: Environment, problems: string[]): Environment {
  const seen: Record<string, string | undefined> = { ...env };
  for (const [alias, name] of Object.entries(ALIASES)) {
    const value = env[alias];
    if (value === undefined || value === '') continue;
    if (env[name] !== undefined && env[name] !== '' && env[name] !== value) {
      problems.push(`${name} and ${alias} are both set, to different values; set one of them`);
    }
    seen[name] = value;
  }
  return seen;
}

function unknownNames(env: Environment): readonly string[] {
  const known = new Set<string>([...Object.values(variables).map(({ name }) => name), ...Object.keys(ALIASES)]);
  return Object.keys(env).filter((name) => name.startsWith('MILLRACE_') && !known.has(name) && !FOREIGN.test(name));
}

const given = (names: Readonly<Record<string, string | null>>): readonly string[] =>
  Object.entries(names).flatMap(([name, value]) => (value === null ? [] : [name]));

/** What does not fit together, in any mode. */
function contradictions(values: Values, platform: string): readonly string[] {
  const problems: string[] = [];
  const tokenKeys = given({
    MILLRACE_JWT_SECRET: values.jwtSecret,
    MILLRACE_JWT_SECRET_FILE: values.jwtSecretFile,
    MILLRACE_JWT_PUBLIC_KEY_FILE: values.jwtPublicKeyFile,
    MILLRACE_JWT_JWKS_FILE: values.jwtJwksFile,
    MILLRACE_JWT_JWKS_URL: values.jwtJwksUrl,
  });
  if (tokenKeys.length > 1) problems.push(`${tokenKeys.join(' and ')} are set; tokens are checked by one of them`);
  const isShared = tokenKeys.every((name) => name.startsWith('MILLRACE_JWT_SECRET'));
  const unfit = values.jwtAlgorithms.filter((algorithm) => (algorithm === 'HS256') !== isShared);
  if (unfit.length > 0) {
    problems.push(
      `MILLRACE_JWT_ALGORITHMS names ${unfit.join(', ')}, which ${isShared ? 'needs public keys' : 'needs a secret, and would let anybody sign with a public key'}`,
    );
  }
  if (values.apiKeys !== null && values.apiKeysFile !== null) {
    problems.push('MILLRACE_API_KEYS and MILLRACE_API_KEYS_FILE are both set; set one of them');
  }
  if (values.processes > 1 && values.socketEngine === 'uws' && platform !== 'linux') {
    problems.push(
      `MILLRACE_SOCKET_ENGINE is uws and MILLRACE_PROCESSES is ${String(values.processes)}, but uWebSockets.js shares a port on Linux alone, and this is ${platform}; set MILLRACE_SOCKET_ENGINE=ws`,
    );
  }
  if (values.nodeName !== null && values.nodeName.length > nameCharsMax(values)) {
    problems.push(
      `MILLRACE_NODE_NAME is ${JSON.stringify(values.nodeName)}; with ${String(values.processes)} processes it has at most ${String(nameCharsMax(values))} characters, for their numbers come behind it`,
    );
  }
  if (values.processes > 1 && /^sqlite/.test(values.archive ?? '')) {
    problems.push(
      `MILLRACE_ARCHIVE is a file of one process, and MILLRACE_PROCESSES is ${String(values.processes)}; name a PostgreSQL (postgres://…) for all of them, or run one process`,
    );
  }
  problems.push(...searchContradictions(values));
  if (values.writeBelow > values.readAbove) {
    problems.push(
      `MILLRACE_WRITE_BELOW is ${String(values.writeBelow)} and MILLRACE_READ_ABOVE ${String(values.readAbove)}; it must be at most that`,
    );
  }
  if (values.writeBelowLoad > values.readAboveLoad) {
    problems.push(
      `MILLRACE_WRITE_BELOW_LOAD is ${String(values.writeBelowLoad)} and MILLRACE_READ_ABOVE_LOAD ${String(values.readAboveLoad)}; it must be at most that`,
    );
  }
  if (values.port !== 0 && values.socketPort === values.port) {
    problems.push(`MILLRACE_SOCKET_PORT is ${String(values.port)} as MILLRACE_PORT is; they must differ`);
  }
  if (values.socketPort === null && values.port === 65_535) {
    problems.push('MILLRACE_SOCKET_PORT must be set, for no port follows on 65535');
  }
  return problems;
}

/** Why production mode would not start: everything that a person must have decided. */
function productionRefusals(values: Values): readonly string[] {
  const problems: string[] = [];
  if (values.redisUrl === null) problems.push('REDIS_URL must be set: only development mode starts a Redis of its own');
  const { jwtSecret, jwtSecretFile, jwtPublicKeyFile, jwtJwksFile, jwtJwksUrl } = values;
  if ([jwtSecret, jwtSecretFile, jwtPublicKeyFile, jwtJwksFile, jwtJwksUrl].every((value) => value === null)) {
    problems.push(
      'one of MILLRACE_JWT_SECRET_FILE, MILLRACE_JWT_SECRET, MILLRACE_JWT_PUBLIC_KEY_FILE, MILLRACE_JWT_JWKS_FILE and MILLRACE_JWT_JWKS_URL must be set: only development mode makes a secret',
    );
  }
  if (values.apiKeys === null && values.apiKeysFile === null) {
    problems.push('MILLRACE_API_KEYS or MILLRACE_API_KEYS_FILE must be set: only development mode makes a key');
  }
  if (values.origins.includes('*'))
    problems.push('MILLRACE_ORIGINS must not be *: name the web sites that may connect');
  if (values.logFormat === 'text') problems.push('MILLRACE_LOG_FORMAT must be json: text is for development mode');
  return problems;
}

function developmentRefusals(values: Values): readonly string[] {
  if (isLoopback(values.host)) return [];
  return [
    `MILLRACE_HOST is ${JSON.stringify(values.host)}; development mode listens on loopback only, as 127.0.0.1. Set MILLRACE_MODE=production to serve others`,
  ];
}

/** What the processes of one server are called, as nodes. */
export const processNames = ({
  nodeName,
  processes,
}: Pick<ServerConfig, 'nodeName' | 'processes'>): readonly string[] =>
  Array.from({ length: processes }, (_, index) => `${nodeName}-${String(index + 1)}`);

/** As much of a name as is left beside the number of a process. */
const nameCharsMax = ({ processes }: Values): number => (processes === 1 ? 40 : 40 - `-${String(processes)}`.length);

function nameOf(values: Values): string {
  const port = `-${String(values.port)}`;
  const host =
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, nameCharsMax(values) - port.length) || 'node';
  return values.nodeName ?? `${host}${port}`;
}

/** The environment of this process, with what goes before it. */
export const environmentWith = (over: Environment): Environment => ({ ...process.env, ...over });

/**
 * Reads the whole configuration.
 *
 * @param env - the environment, once; nothing else in the program looks at it.
 * @param platform - of the machine, as Node calls it.
 * @returns every problem at once, each a sentence that names the variable, its value (never a secret's) and what is
 * allowed.
 */
export function readServerConfig(
  env: Environment,
  platform: string = process.platform,
): Result<ConfigRead, readonly string[]> {
  const problems: string[] = [];
  const seen = withAliases(env, problems);
  const read: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries(variables)) {
    const outcome = readVariable<unknown>(variable, seen);
    if ('problem' in outcome) problems.push(outcome.problem);
    else read[key] = outcome.value;
  }
  if (problems.length > 0) return err(problems);
  const values = read as Values;
  problems.push(...contradictions(values, platform));
  problems.push(...(values.mode === 'production' ? productionRefusals(values) : developmentRefusals(values)));
  if (problems.length > 0) return err(problems);
  const auto = values.mode === 'production' ? 'json' : 'text';
  return ok({
    config: {
      ...values,
      socketEngine: values.processes > 1 && platform !== 'linux' ? 'ws' : values.socketEngine,
      socketPort: values.socketPort ?? (values.port === 0 ? 0 : values.port + 1),
      nodeName: nameOf(values),
      drainMs: values.drainMs ?? (values.mode === 'production' ? 10_000 : 1_000),
      logFormat: values.logFormat === 'auto' ? auto : values.logFormat,
    },
    warnings: unknownNames(env).map((name) => `${name} is set, but there is no such variable`),
  });
}
