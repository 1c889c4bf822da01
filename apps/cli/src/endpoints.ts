import { err, ok, type Result } from '@millrace/kernel';
import type { Args, OptionSpec } from './command.ts';
import type { Environment } from './environment.ts';

const ANSWER_MS_MAX = 10_000;

export const urlOption: OptionSpec = {
  name: 'url',
  value: 'URL',
  help: 'The HTTP address of the server. Default: http://127.0.0.1:7400',
};

export interface Endpoints {
  /** Where sockets are taken. */
  readonly websocket: string;
}

/** A text for people of what went wrong with a request of ours. */
export function fetchFault(url: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'ECONNREFUSED') {
    return `Nothing answers at ${url}. Start a server (\`npm start\` or \`millrace serve\`), or give its address by --url.`;
  }
  return `${url} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`;
}

/** The HTTP address that a command speaks to, without a slash at its end. */
export function urlOf(args: Args, environment: Environment): Result<string, string> {
  return addressOf(args.text('url') ?? environment.url);
}

/** The HTTP addresses of the nodes that a command speaks to; at least one. */
export function urlsOf(args: Args, environment: Environment): Result<readonly string[], string> {
  const urls: string[] = [];
  for (const text of args.texts('url')) {
    const url = addressOf(text);
    if (!url.ok) return url;
    urls.push(url.value);
  }
  if (urls.length > 0) return ok(urls);
  const only = urlOf(args, environment);
  return only.ok ? ok([only.value]) : only;
}

function addressOf(text: string): Result<string, string> {
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) {
    return err(`The address of the server must begin with http:// or https://, got "${text}".`);
  }
  return ok(text.replace(/\/+$/, ''));
}

/** Asks a server where its sockets are. */
export async function findEndpoints(url: string): Promise<Result<Endpoints, string>> {
  const address = `${url}/api/v1/endpoints`;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (!response.ok)
      return err(`${address} answers with HTTP status ${String(response.status)}: is this a Millrace server?`);
    const answer = (await response.json()) as { websocket?: unknown };
    if (typeof answer.websocket !== 'string') return err(`${address} does not name a socket address.`);
    return ok({ websocket: answer.websocket });
  } catch (error) {
    return err(fetchFault(url, error));
  }
}
