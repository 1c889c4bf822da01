export { apiKeyCharsMin, parseApiKeys, scopes, type ApiKey, type Scope } from './api-keys.ts';
export type { HttpApiParts } from './build-http-api.ts';
export { httpApiConfigSchema, type HttpApiConfig } from './http-api-config.ts';
export { HttpApi, type ListenError } from './http-api.ts';
export type {
  BackendChat,
  ClusterLook,
  HttpApiLog,
  StoryTeller,
  Readiness,
  SessionControl,
  SocketEndpoint,
} from './ports.ts';
