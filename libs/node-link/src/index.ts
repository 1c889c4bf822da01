export { defaultLinkLimits, type LinkLimits } from './link-limits.ts';
export { Links, type LinkLog, type LinksParts, type LinksSize } from './links.ts';
export type { NodeStreams, Reader, SendAnswer, StreamBounds, StreamError } from './node-streams.ts';
export type { Answered, CallError } from './outgoing.ts';
