import { err, generation, ok, partitionId, type Clock, type NodeId, type UserId } from '@millrace/kernel';
import type { ClusterStatus, NodeSession } from '@millrace/messaging';
import { frameError, type FrameError } from '@millrace/protocol';
import { Registry } from 'prom-client';
import { parseApiKeys } from '../api-keys.ts';
import { buildHttpApi, type HttpApiParts } from '../build-http-api.ts';
import { httpApiConfigSchema, type HttpApiConfig } from '../http-api-config.ts';
import type { Readiness, SessionControl, SocketEndpoint } from '../ports.ts';
import { OpenApiDocument } from '../schema.ts';
import { MemoryChains } from './memory-chains.ts';
import { MemoryChat } from './memory-chat.ts';
import { MemoryErasures } from './memory-erasures.ts';
import { MemoryRebuild } from './memory-rebuild.ts';
import { MemoryStories } from './memory-stories.ts';

export const testKeys = {
  reader: 'reader-key-0123456789abcdef',
  writer: 'writer-key-0123456789abcdef',
  scraper: 'scraper-key-0123456789abcdef',
  admin: 'admin-key-0123456789abcdef',
} as const;

export type KeyName = keyof typeof testKeys;

const keyFile = `
reader:read:${testKeys.reader}
writer:write:${testKeys.writer}
scraper:metrics:${testKeys.scraper}
admin:admin:${testKeys.admin}
`;

export class MemorySessions implements SessionControl {
  readonly live: NodeSession[] = [
    { session: 's1', node: 'one', device: 'phone', client: 'test/1', ip: '127.0.0.1', since: 1_700_000_000_000 },
    { session: 's2', node: 'two', device: 'laptop', client: null, ip: '::1', since: 1_700_000_000_001 },
  ];
  missing: readonly string[] = [];
  outage: FrameError | null = null;

  list: SessionControl['list'] = async (user) =>
    this.outage === null ? ok({ sessions: this.#of(user), missing: this.missing }) : err(this.outage);

  close: SessionControl['close'] = async (user, session) => {
    if (this.outage !== null) return err(this.outage);
    const gone = this.#of(user).filter((one) => session === null || one.session === session);
    for (const one of gone) this.live.splice(this.live.indexOf(one), 1);
    return ok({ closed: gone.length, missing: this.missing });
  };

  #of(user: UserId): readonly NodeSession[] {
    return user === 'alice' ? [...this.live] : [];
  }
}

/** A cluster of two, one of which does not answer. */
export const aCluster: ClusterStatus = {
  version: 7,
  owners: ['one', 'two', null],
  members: [
    {
      name: 'one',
      node: 'one.1' as NodeId,
      roles: ['gateway', 'actors'],
      isDraining: false,
      url: 'http://127.0.0.1:7400',
      socketUrl: 'ws://127.0.0.1:7401',
      owned: 1,
      status: {
        viewVersion: 7,
        coordinator: 'one',
        partitions: [
          {
            partition: partitionId(0),
            epoch: 3,
            gen: generation(1),
            commitNo: 40,
            isServing: true,
            queued: 2,
            undiffused: 1,
          },
        ],
        usersAttached: 5,
        moving: 0,
      },
    },
    {
      name: 'two',
      node: 'two.1' as NodeId,
      roles: ['actors'],
      isDraining: true,
      url: '',
      socketUrl: '',
      owned: 1,
      status: null,
    },
  ],
  unserved: [partitionId(1), partitionId(2)],
  self: 'one.1' as NodeId,
};

export class ManualClock implements Clock {
  ms = 0;
  nowMs = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

export interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly key?: KeyName | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly code: string | undefined;
}

const document = new OpenApiDocument();

/** What a user's token looks like here. */
export const tokenOf = (user: string): string => `eyJhbGciOi.${user}.c2ln`;

/** Everything that a test hands to the API. */
export function testParts(config: Partial<HttpApiConfig> = {}) {
  const keys = parseApiKeys(keyFile);
  if (!keys.ok) throw new Error(keys.error);
  const chat = new MemoryChat();
  const sessions = new MemorySessions();
  const stories = new MemoryStories();
  const rebuild = new MemoryRebuild();
  const clock = new ManualClock();
  const logged: string[] = [];
  const state: {
    readiness: Readiness;
    draining: boolean;
    endpoint: SocketEndpoint | null;
    /** For whom the sockets were asked for. */
    endpointsAsked: (UserId | null)[];
    cluster: ClusterStatus | null;
    isSearched: boolean;
  } = {
    readiness: { ok: true, reasons: [] },
    draining: false,
    endpoint: { publicUrl: null, port: 7401, subprotocols: ['millrace.v1.bin', 'millrace.v1.json'], version: '0.1.0' },
    endpointsAsked: [],
    cluster: aCluster,
    isSearched: true,
  };
  const parts: HttpApiParts = {
    config: { ...httpApiConfigSchema.parse({ mode: 'production', port: 0 }), ...config },
    keys: keys.value,
    chat,
    sessions,
    tokens: {
      verify: async (token) => {
        const [, user = ''] = token.split('.');
        if (user === 'nobody') return err(frameError('unauthenticated', 'the signature of the token is not valid'));
        return ok({ user: user as UserId });
      },
    },
    stories,
    names: (cursor) => Promise.resolve(ok({ conversations: ['team'], next: cursor === null ? 'more' : null })),
    rebuild: () => (state.isSearched ? rebuild : null),
    erasures: new MemoryErasures(),
    chains: new MemoryChains(),
    endpoint: (user) => {
      state.endpointsAsked.push(user);
      return state.endpoint;
    },
    readiness: () => Promise.resolve(state.readiness),
    cluster: () => (state.cluster === null ? null : Promise.resolve(state.cluster)),
    metrics: new Registry(),
    clock,
    log: {
      debug: () => undefined,
      info: () => undefined,
      error: (message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`),
    },
  };
  return { parts, chat, sessions, stories, rebuild, clock, logged, state };
}

/** The API without a socket. Each answer is checked against docs/openapi.yaml before the test sees it. */
export function testApi(config: Partial<HttpApiConfig> = {}) {
  const made = testParts(config);
  const { app, operations } = buildHttpApi(made.parts, () => (made.state.draining ? 'draining' : 'serving'));
  const ask = async ({ method, url, key = 'admin', body, headers = {} }: Asked): Promise<Got> => {
    const authorization = key === null ? {} : { authorization: `Bearer ${testKeys[key]}` };
    const response = await app.inject({
      method,
      url,
      headers: { ...authorization, ...headers },
      ...(body === undefined ? {} : { payload: body as string | object }),
    });
    const contentType = String(response.headers['content-type']);
    const problems = document.problems({ method, url, status: response.statusCode, contentType, body: response.body });
    if (problems.length > 0) {
      throw new Error(`${method} ${url} -> ${String(response.statusCode)} ${response.body}: ${problems.join('; ')}`);
    }
    const json = contentType.startsWith('application/json') ? (JSON.parse(response.body) as Got['json']) : {};
    const code = (json['error'] as { readonly code?: string } | undefined)?.code;
    return { status: response.statusCode, headers: response.headers, text: response.body, json, code };
  };
  return { ...made, app, operations, ask, document };
}
