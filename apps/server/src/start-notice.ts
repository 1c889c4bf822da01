import { relative } from 'node:path';

export interface Running {
  readonly version: string;
  readonly httpUrl: string;
  /** Null without the role `gateway`. */
  readonly socketUrl: string | null;
  readonly engine: string;
  readonly redis: string;
  readonly ackLevel: string;
  readonly apiKeyFile: string | null;
  readonly dataDir: string;
  /** How many share the two addresses. */
  readonly processes: number;
}

const DEFAULT_DATA_DIR = '.millrace';
const DEFAULT_URL = 'http://127.0.0.1:7400';

/** What a person at the terminal reads when development mode serves: what runs where, and how to try it. */
export function startNotice(running: Running, workingDirectory: string): string {
  const url = running.httpUrl === DEFAULT_URL ? '' : ` --url ${running.httpUrl}`;
  const dataDir = running.dataDir === DEFAULT_DATA_DIR ? '' : ` --data-dir ${running.dataDir}`;
  const processes = running.processes === 1 ? '' : `, in ${String(running.processes)} processes`;
  const key = running.apiKeyFile === null ? 'as configured' : `in ${relative(workingDirectory, running.apiKeyFile)}`;
  return `
Millrace ${running.version} is running, in development mode${processes}.

  HTTP     ${running.httpUrl}
  sockets  ${running.socketUrl === null ? 'none on this node' : `${running.socketUrl} (${running.engine})`}
  Redis    ${running.redis}; a message is acknowledged at ack level "${running.ackLevel}"
  API key  ${key}

Try it from another terminal:

  npx millrace tail --as bob${url}${dataDir}
  npx millrace send --as alice --to bob${url}${dataDir} "Hello, Bob"

  npx millrace token alice${dataDir}      a token for a client of your own

Stop it with Ctrl-C.
`;
}
