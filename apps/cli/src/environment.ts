/** What the command line takes from the environment; its only reader. */
export interface Environment {
  /** Where the development server of this directory keeps its things. */
  readonly dataDir: string;
  /** The HTTP address of the server. */
  readonly url: string;
  readonly redisUrl: string | undefined;
  readonly redisPrefix: string;
  readonly archive: string | undefined;
  /** Of the HTTP API. */
  readonly apiKey: string | undefined;
  /** Everything, to hand on to a server that is started here. */
  readonly all: NodeJS.ProcessEnv;
}

const PORT_DEFAULT = '7400';

export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  return {
    dataDir: env['MILLRACE_DATA_DIR'] ?? '.millrace',
    url: env['MILLRACE_URL'] ?? `http://127.0.0.1:${env['MILLRACE_PORT'] ?? PORT_DEFAULT}`,
    apiKey: env['MILLRACE_API_KEY'] === '' ? undefined : env['MILLRACE_API_KEY'],
    redisUrl: env['MILLRACE_REDIS_URL'] ?? env['REDIS_URL'],
    redisPrefix: env['MILLRACE_REDIS_PREFIX'] ?? '',
    archive: env['MILLRACE_ARCHIVE'] === '' ? undefined : env['MILLRACE_ARCHIVE'],
    all: env,
  };
}
