export { authConfigSchema, type AuthConfig } from './auth/auth-config.ts';
export { createTokenVerifier, type TokenVerifier, type VerifiedToken } from './auth/token-verifier.ts';
export { engineChoices, pickEngine, type EngineChoice } from './engine/pick-engine.ts';
export type { EngineHandlers, EngineServer, EngineSocket, ListenError, SocketEngine } from './engine/socket-engine.ts';
export { gatewayConfigSchema, type GatewayConfig, type GatewaySettings } from './gateway-config.ts';
export { Gateway, type GatewayParts, type GatewayStats } from './gateway.ts';
export type { GatewayLog } from './log.ts';
export { silentGatewayObserver, type GatewayObserver } from './observer.ts';
