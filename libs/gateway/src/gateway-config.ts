import { protocolLimits } from '@millrace/protocol';
import { z } from 'zod';
import { proxyList } from './inbound/client-address.ts';

const count = (min: number, max: number, fallback: number): z.ZodDefault<z.ZodNumber> =>
  z.number().int().min(min).max(max).default(fallback);
/** A token bucket: what may go on for ever, and what may come at once after a pause. */
const rate = (perSecond: number, burst: number) =>
  z.object({ perSecond: z.number().positive().default(perSecond), burst: count(1, 10_000_000, burst) }).prefault({});

/** Everything that can be set about the sockets. Times in milliseconds, sizes in bytes. */
export const gatewayConfigSchema = z.object({
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes a free one. */
  port: count(0, 65_535, 7_401),
  /** Other processes of this server listen on the same port. */
  portShared: z.boolean().default(false),
  /** Where sockets are opened; `*` for any path. */
  path: z.string().min(1).default('/'),
  /** Web sites whose pages may open sockets; `*` for any. Programs that are no browsers send no origin. */
  origins: z.array(z.string()).default([]),
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` tells the client's address. */
  trustedProxies: z
    .array(z.string())
    .default([])
    .refine((ranges) => proxyList(ranges) !== null, 'must be addresses or CIDR ranges'),
  /** A client's WebSocket message. One that is more than four times as long is cut off without a word. */
  frameBytesMax: count(1_024, 1_048_576, protocolLimits.frameBytes),
  bodyBytesMax: count(1, 1_000_000, protocolLimits.bodyBytes),
  /** What one socket's peer may leave unread. At half of it pushes stop and the device is told to sync. */
  sendBufferBytesMax: count(16_384, 67_108_864, 1_048_576),
  /** A socket that stays over half of its send buffer for so long is closed. */
  slowMsMax: count(100, 600_000, 60_000),
  /** From the socket's opening to `connect`. */
  handshakeMs: count(100, 60_000, 10_000),
  /** A socket that sent nothing for so long is closed. */
  idleMs: count(1_000, 3_600_000, 75_000),
  /** How long a peer may take to answer a close. */
  closeMs: count(10, 60_000, 2_000),
  socketsMax: count(1, 1_000_000, 100_000),
  /** Of one address, or one /64 of IPv6. */
  socketsPerIpMax: count(1, 1_000_000, 20_000),
  /** Sockets of one user at a time. */
  sessionsPerUserMax: count(1, 1_000, 32),
  /** Unanswered requests of one session. */
  requestsInFlightMax: count(1, 10_000, 512),
  /** Of those, the ones whose answers are long: sync, history, searches, lists. */
  queriesInFlightMax: count(1, 10_000, 32),
  /** Sessions that are being opened at a time, from `connect` to `connected`; the others wait for their turn. */
  loginsAtOnce: count(1, 10_000, 16),
  /** Syncs that are being answered at a time, likewise: sends go on between them. */
  syncsAtOnce: count(1, 10_000, 16),
  /** Searches that are being answered at a time, likewise. */
  searchesAtOnce: count(1, 10_000, 8),
  /** Searches of one user, over all sessions here. */
  searchesPerUser: rate(5, 30),
  /** Upgrades of everybody: so fast do logins begin after a network came back. */
  connects: rate(5_000, 20_000),
  /** Upgrades of one address. */
  connectsPerIp: rate(2_000, 20_000),
  /** Frames of one session. */
  framesPerSession: rate(2_000, 4_000),
  /** Frames of one user, over all sessions here. */
  framesPerUser: rate(4_000, 8_000),
  /** Frames of one address. Far above a user's: many users may share one. */
  framesPerIp: rate(100_000, 200_000),
  /** Frames of a session that are refused, as too fast or unreadable, before it is closed; a fifth is forgiven a second. */
  offencesMax: count(1, 100_000, 1_000),
});

/** As it is given, defaults left out. */
export type GatewaySettings = z.input<typeof gatewayConfigSchema>;
export type GatewayConfig = z.output<typeof gatewayConfigSchema>;
