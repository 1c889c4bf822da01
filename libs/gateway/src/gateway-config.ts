import { protocolLimits } from '@millrace/protocol';
import { z } from 'zod';

const count = (min: number, max: number, fallback: number): z.ZodDefault<z.ZodNumber> =>
  z.number().int().min(min).max(max).default(fallback);
const rate = (perSecond: number, burst: number) =>
  z.object({ perSecond: z.number().positive().default(perSecond), burst: count(1, 1_000_000, burst) }).prefault({});

export const gatewayConfigSchema = z.object({
  host: z.string().default('127.0.0.1'),
  /** 0 takes a free one. */
  port: count(0, 65_535, 7_401),
  /** Web sites whose pages may open sockets; `*` for any. Programs that are no browsers send no origin. */
  origins: z.array(z.string()).default([]),
  /** A client's WebSocket message, bytes. */
  frameBytesMax: count(1_024, 1_048_576, protocolLimits.frameBytes),
  bodyBytesMax: count(1, 1_000_000, protocolLimits.bodyBytes),
  /** What one socket's peer may leave unread, bytes. Over it the device is told to sync. */
  sendBufferBytesMax: count(16_384, 67_108_864, 1_048_576),
  /** A socket that stays over its send buffer for so long is closed. */
  slowMsMax: count(100, 600_000, 15_000),
  /** From the socket's opening to `connect`. */
  handshakeMs: count(100, 60_000, 5_000),
  /** A socket that sent nothing for so long is closed. */
  idleMs: count(1_000, 3_600_000, 75_000),
  /** How long a peer may take to answer a close. */
  closeMs: count(10, 60_000, 2_000),
  socketsMax: count(1, 1_000_000, 100_000),
  socketsPerIpMax: count(1, 1_000_000, 20_000),
  /** Sockets of one user at a time. */
  sessionsPerUserMax: count(1, 1_000, 32),
  /** Unanswered requests of one session. */
  requestsInFlightMax: count(1, 10_000, 512),
  /** Upgrades of one address. */
  connectsPerIp: rate(2_000, 20_000),
  /** Frames of one session. */
  framesPerSession: rate(2_000, 4_000),
  /** Frames of one user, over all sessions here. */
  framesPerUser: rate(4_000, 8_000),
  /** Refused frames in a row, as too fast or unreadable, before the socket is closed. */
  offencesMax: count(1, 100_000, 200),
});

/** As it is given, defaults left out. */
export type GatewaySettings = z.input<typeof gatewayConfigSchema>;
export type GatewayConfig = z.output<typeof gatewayConfigSchema>;
