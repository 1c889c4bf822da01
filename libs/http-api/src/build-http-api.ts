import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { err, invariant, ok, type Clock, type Result } from '@millrace/kernel';
import { frameError, protocolLimits, type FrameError } from '@millrace/protocol';
import type { Registry } from 'prom-client';
import { allows, findApiKey, type ApiKey, type Scope } from './api-keys.ts';
import { chainOperations } from './chain-operations.ts';
import { clusterOperations } from './cluster-operations.ts';
import { conversationOperations } from './conversation-operations.ts';
import type { HttpApiConfig } from './http-api-config.ts';
import { refusalOfThrown, retryAfterSeconds, statusOf, type ErrorBody } from './http-error.ts';
import { HttpMetrics } from './http-metrics.ts';
import { indexOperations } from './index-operations.ts';
import { IpRateLimit } from './ip-rate-limit.ts';
import { erasureOperations } from './erasure-operations.ts';
import { lobbyOperations } from './lobby-operations.ts';
import { messageOperations } from './message-operations.ts';
import { moderationOperations } from './moderation-operations.ts';
import type { Operation, OperationRequest } from './operation.ts';
import type {
  BackendChat,
  ChainControl,
  ClusterLook,
  DataErasure,
  EndpointOf,
  HttpApiLog,
  IndexRebuild,
  NamesOf,
  Readiness,
  SessionControl,
  StoryTeller,
  UserTokens,
} from './ports.ts';
import { answerBrokenRequest } from './broken-request.ts';
import { scheduledOperations } from './scheduled-operations.ts';
import { searchOperations } from './search-operations.ts';
import { serviceOperations } from './service-operations.ts';
import { storyOperations } from './story-operations.ts';
import { transferOperations } from './transfer-operations.ts';
import { userOperations } from './user-operations.ts';

export interface HttpApiParts {
  readonly config: HttpApiConfig;
  readonly keys: readonly ApiKey[];
  readonly chat: BackendChat;
  readonly sessions: SessionControl;
  /** For the operations that a user may ask for. */
  readonly tokens: UserTokens;
  readonly endpoint: EndpointOf;
  readonly readiness: () => Promise<Readiness>;
  readonly cluster: ClusterLook;
  readonly stories: StoryTeller;
  readonly names: NamesOf;
  readonly rebuild: IndexRebuild;
  readonly erasures: DataErasure;
  readonly chains: ChainControl;
  /** What `/metrics` shows; the API adds its own. */
  readonly metrics: Registry;
  /** What `/metrics` shows instead, when there is more than this process: a text in the form of `metrics`. */
  readonly metricsOfAll?: () => Promise<string>;
  readonly clock: Clock;
  readonly log: HttpApiLog;
}

/**
 * - `draining`: requests are refused.
 * - `leaving`: they are answered, each as the last one of its connection.
 */
export type HttpApiPhase = 'serving' | 'leaving' | 'draining';

/** The API without a socket; the phase is asked before each request. */
export interface BuiltHttpApi {
  readonly app: FastifyInstance;
  readonly operations: readonly Operation[];
}

/** An encoded id is up to three times as long, a direct conversation holds two of them. */
const PARAM_CHARS_MAX = 3 * 129;

const HOST = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(?::\d{1,5})?$/;

const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

function refuse(reply: FastifyReply, error: FrameError, status: number = statusOf[error.code]): FastifyReply {
  const seconds = retryAfterSeconds(error);
  if (seconds !== null) reply.header('retry-after', String(seconds));
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="millrace"');
  const body: ErrorBody = { error };
  return reply.code(status).headers(securityHeaders).send(body);
}

const NOBODY: OperationRequest['by'] = { user: null, key: null };
/** Three parts of base64url, as no API key has by chance. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

function bearerOf(request: FastifyRequest, charsMax = 512): string | null {
  const presented = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
  return presented === null || presented.length > charsMax ? null : presented;
}

/** Who asks, where users may: by a token, or by a key. */
async function identify(
  { keys, tokens }: Pick<HttpApiParts, 'keys' | 'tokens'>,
  request: FastifyRequest,
): Promise<Result<OperationRequest['by'], FrameError>> {
  const presented = bearerOf(request, protocolLimits.tokenChars);
  const refusal = 'send the token of a user, or an API key, as "Authorization: Bearer …"';
  if (presented === null) return err(frameError('unauthenticated', refusal));
  const key = findApiKey(keys, presented);
  if (key !== null) return ok({ user: null, key });
  if (!JWT.test(presented)) return err(frameError('unauthenticated', 'this API key is not known'));
  const token = await tokens.verify(presented);
  return token.ok ? ok({ user: token.value.user, key: null }) : token;
}

function authorise(keys: readonly ApiKey[], request: FastifyRequest, scope: Scope): Result<ApiKey, FrameError> {
  const presented = bearerOf(request);
  const refused = (text: string): Result<ApiKey, FrameError> => ({
    ok: false,
    error: frameError('unauthenticated', text),
  });
  if (presented === null) return refused('send an API key as "Authorization: Bearer <key>"');
  const key = findApiKey(keys, presented);
  if (key === null) return refused('this API key is not known');
  if (!allows(key, scope)) {
    return { ok: false, error: frameError('forbidden', `this API key has not the scope ${scope}`) };
  }
  return ok(key);
}

/**
 * Puts the operations behind Fastify.
 *
 * (H1) Nothing but what {@link serviceOperations} calls open answers without a key in production.
 * (H2) Every answer but `/metrics` is JSON; every refusal has the one error form, and no text of an unexpected error.
 * (H3) Every request is bounded: size, time to send, time to answer, rate of its address.
 */
export function buildHttpApi(parts: HttpApiParts, phase: () => HttpApiPhase): BuiltHttpApi {
  const { config, clock, log } = parts;
  const metrics = new HttpMetrics(parts.metrics);
  const rateLimit = new IpRateLimit(config.rateLimit, clock);
  const userRateLimit = new IpRateLimit(config.userRateLimit, clock);
  const startedMs = new WeakMap<FastifyRequest, number>();
  const operations = [
    ...serviceOperations({
      endpointsNeedKey: config.endpointsNeedKey,
      endpoint: parts.endpoint,
      fallbackHost: config.host.includes(':') ? `[${config.host}]` : config.host,
      isDraining: () => phase() === 'draining',
      readiness: parts.readiness,
    }),
    ...clusterOperations(parts.cluster),
    ...conversationOperations(parts.chat),
    ...messageOperations(parts.chat),
    ...moderationOperations(parts.chat),
    ...lobbyOperations(parts.chat),
    ...searchOperations(parts.chat),
    ...storyOperations(parts.stories),
    ...transferOperations(parts.chat, parts.names),
    ...indexOperations(parts.rebuild),
    ...erasureOperations(parts.erasures),
    ...chainOperations(parts.chains),
    ...userOperations(parts.chat, parts.sessions),
    ...scheduledOperations(parts.chat),
  ];
  const operationAt = new Map(operations.map(({ method, path, id }) => [`${method} ${path}`, id]));
  operationAt.set('GET /metrics', 'getMetrics');

  const app = fastify({
    logger: false,
    bodyLimit: config.bodyBytesMax,
    requestTimeout: config.requestMs,
    handlerTimeout: config.answerMs,
    keepAliveTimeout: config.keepAliveMs,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    requestIdHeader: false,
    trustProxy: config.trustedProxies.length > 0 ? [...config.trustedProxies] : false,
    routerOptions: { maxParamLength: PARAM_CHARS_MAX },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (thrown, _request, reply) => {
      const refusal = refusalOfThrown(thrown);
      void refuse(reply, refusal?.error ?? frameError('bad_request', 'the request could not be read'));
    },
  });
  // Fastify reads texts of its own accord; here they would be refused as a wrong body instead of a wrong media type.
  app.removeContentTypeParser('text/plain');
  app.server.maxConnections = config.connectionsMax;
  // The whole of the headers must come sooner than the whole of the request.
  app.server.headersTimeout = Math.min(app.server.headersTimeout, config.requestMs);

  app.addHook('onRequest', async (request, reply) => {
    startedMs.set(request, clock.monotonicMs());
    const waitMs = rateLimit.take(request.ip);
    if (waitMs > 0) {
      const error = frameError('rate_limited', 'this address sends too many requests', { retryAfterMs: waitMs });
      return refuse(reply, error);
    }
    const isOpen = request.routeOptions.url === '/healthz' || request.routeOptions.url === '/readyz';
    if (phase() === 'draining' && !isOpen) {
      return refuse(reply, frameError('draining', 'this node is about to go; ask another one, or again soon'));
    }
    return undefined;
  });

  app.addHook('onSend', async (_request, reply) => {
    reply.headers(securityHeaders);
    if (phase() !== 'serving') reply.header('connection', 'close');
  });

  app.addHook('onResponse', async (request, reply) => {
    const operation = operationAt.get(`${request.method} ${request.routeOptions.url ?? ''}`) ?? 'unknown';
    const ms = clock.monotonicMs() - (startedMs.get(request) ?? clock.monotonicMs());
    metrics.answered(operation, reply.statusCode, ms);
    log.debug('http request answered', { operation, status: reply.statusCode, ms: Math.round(ms * 100) / 100 });
  });

  app.setNotFoundHandler((request, reply) =>
    refuse(reply, frameError('not_found', `there is no ${request.method} at this path; see docs/openapi.yaml`)),
  );

  app.setErrorHandler((thrown, request, reply) => {
    const refusal = refusalOfThrown(thrown);
    if (refusal !== null) return refuse(reply, refusal.error, refusal.status);
    log.error('an HTTP request hit a defect', {
      operation: request.routeOptions.url,
      error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    });
    return refuse(reply, frameError('internal', 'the server hit a defect; it was logged'));
  });

  const guard = (scope: Scope) => async (request: FastifyRequest, reply: FastifyReply) => {
    const outcome = authorise(parts.keys, request, scope);
    return outcome.ok ? undefined : refuse(reply, outcome.error);
  };

  const asking = new WeakMap<FastifyRequest, OperationRequest['by']>();
  const guardUser = async (request: FastifyRequest, reply: FastifyReply) => {
    const outcome = await identify(parts, request);
    if (!outcome.ok) return refuse(reply, outcome.error);
    const { user } = outcome.value;
    const waitMs = user === null ? 0 : userRateLimit.take(user);
    if (waitMs > 0) {
      return refuse(reply, frameError('rate_limited', 'this user asks too much', { retryAfterMs: waitMs }));
    }
    asking.set(request, outcome.value);
    return undefined;
  };
  const guardOf = (access: Operation['access']) => {
    if (access === 'open') return {};
    return { onRequest: access === 'user' ? guardUser : guard(access) };
  };

  for (const operation of operations) {
    app.route({
      method: operation.method,
      url: operation.path,
      ...guardOf(operation.access),
      handler: async (request, reply) => {
        const outcome = await operation.run({
          params: request.params,
          query: request.query,
          body: request.body,
          host: HOST.exec(request.host)?.[1] ?? null,
          secure: request.protocol === 'https',
          by: asking.get(request) ?? NOBODY,
        });
        if (!outcome.ok) return refuse(reply, outcome.error);
        return reply.code(outcome.value.status).send(outcome.value.body);
      },
    });
  }

  app.route({
    method: 'GET',
    url: '/metrics',
    ...(config.mode === 'development' ? {} : { onRequest: guard('metrics') }),
    handler: async (_request, reply) => {
      const text = await (parts.metricsOfAll?.() ?? parts.metrics.metrics());
      return reply.header('content-type', parts.metrics.contentType).send(text);
    },
  });

  invariant(
    operations.every(
      ({ access, id }) => access !== 'open' || ['getHealth', 'getReadiness', 'getEndpoints'].includes(id),
    ),
    'an operation is open that should not be (H1)',
  );
  return { app, operations };
}
