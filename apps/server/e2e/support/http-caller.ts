import { OpenApiDocument } from '@millrace/http-api/schema';

/** Keys of the HTTP API by what they may do. */
export const scopedKeys = {
  reader: 'e2e-reader-key-0123456789abcdef',
  writer: 'e2e-writer-key-0123456789abcdef',
  scraper: 'e2e-scraper-key-0123456789abcdef',
  admin: 'e2e-admin-key-0123456789abcdef',
} as const;

export type KeyName = keyof typeof scopedKeys;

/** As `MILLRACE_API_KEYS` takes them. */
export const scopedKeysVariable = [
  `reader:read:${scopedKeys.reader}`,
  `writer:write:${scopedKeys.writer}`,
  `scraper:metrics:${scopedKeys.scraper}`,
  `admin:admin:${scopedKeys.admin}`,
].join(',');

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Empty when the answer is no JSON. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Of a refusal. */
  readonly code: string | undefined;
}

export interface HttpQuestion {
  /** Null for none, a text for one that is not known. */
  readonly key?: KeyName | null | { readonly unknown: string };
  readonly body?: unknown;
  /** Sent as it is, whatever it is. */
  readonly rawBody?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type HttpCaller = (method: string, path: string, question?: HttpQuestion) => Promise<HttpAnswer>;

const document = new OpenApiDocument();
const observed = new Map<string, Set<number>>();

/** Operations of docs/openapi.yaml and the statuses that they answered in these tests, by `METHOD /path`. */
export function observedStatuses(): ReadonlyMap<string, ReadonlySet<number>> {
  return observed;
}

export const documentedOperations = document.operations();

function note(method: string, path: string, status: number): void {
  const pathname = path.split('?')[0] ?? '';
  const operation = documentedOperations.find(
    (one) => one.method === method && new RegExp(`^${one.path.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(pathname),
  );
  if (operation === undefined) return;
  const name = `${method} ${operation.path}`;
  const statuses = observed.get(name) ?? new Set();
  observed.set(name, statuses.add(status));
}

/** Asks the server over HTTP. Every answer is held against docs/openapi.yaml before the test sees it. */
export function httpCaller(url: () => string): HttpCaller {
  return async (method, path, { key = 'admin', body, rawBody, headers = {} } = {}) => {
    const bearer = key === null ? null : typeof key === 'string' ? scopedKeys[key] : key.unknown;
    const payload = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${url()}${path}`, {
      method,
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type') ?? '';
    const problems = document.problems({ method, url: path, status: response.status, contentType, body: text });
    if (problems.length > 0)
      throw new Error(`${method} ${path} -> ${String(response.status)} ${text}: ${problems.join('; ')}`);
    note(method, path, response.status);
    const json = contentType.startsWith('application/json') ? (JSON.parse(text) as HttpAnswer['json']) : {};
    const code = (json['error'] as { readonly code?: string } | undefined)?.code;
    return { status: response.status, headers: response.headers, text, json, code };
  };
}
