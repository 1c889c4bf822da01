export { apiKeyCharsMin, parseApiKeys, scopes, type ApiKey, type Scope } from './api-keys.ts';
export type { HttpApiParts } from './build-http-api.ts';
export { httpApiConfigSchema, type HttpApiConfig } from './http-api-config.ts';
export { HttpApi, type ListenError } from './http-api.ts';
export type {
  BackendChat,
  ChainControl,
  ClusterLook,
  HttpApiLog,
  DataErasure,
  StoryTeller,
  Readiness,
  SessionControl,
  SocketEndpoint,
  UserTokens,
} from './ports.ts';
