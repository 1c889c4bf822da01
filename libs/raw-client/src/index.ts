export { RawSession, type RawSessionOptions } from './raw-session.ts';
export { describeSessionError, type SessionError } from './session-error.ts';
export { backoffMs, withRetries, type RetryPolicy } from './with-retries.ts';
export type { AnswerTo, RequestContent, UnaskedFrame } from './answers.ts';
export { signToken, type TokenClaims } from './sign-token.ts';
