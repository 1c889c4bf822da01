import { z } from 'zod';

const count = (min: number, max: number): z.ZodNumber => z.number().int().min(min).max(max);

/** Everything that can be set about the HTTP API. Times in milliseconds, sizes in bytes. */
export const httpApiConfigSchema = z.object({
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes a free port. */
  port: count(0, 65_535).default(7_400),
  /** In `production` only `/healthz`, `/readyz` and (unless `endpointsNeedKey`) `/api/v1/endpoints` answer without a key. */
  mode: z.enum(['development', 'production']).default('production'),
  endpointsNeedKey: z.boolean().default(false),
  /** 10,000 user ids of 64 characters are 670 kB; a message of 32 KiB, all of it escaped, is at most 200 kB. */
  bodyBytesMax: count(1_024, 8 * 1_024 * 1_024).default(1_024 * 1_024),
  /** From the first byte of a request to its last: a slow sender holds a socket no longer. */
  requestMs: count(100, 600_000).default(10_000),
  /** From the last byte of the request to the answer. */
  answerMs: count(100, 600_000).default(15_000),
  keepAliveMs: count(1_000, 600_000).default(30_000),
  connectionsMax: count(1, 1_000_000).default(10_000),
  /** One address; a backend sends all of its users' messages from one. */
  rateLimit: z
    .object({ perSecond: z.number().positive().max(1_000_000), burst: z.number().min(1).max(1_000_000) })
    .default({ perSecond: 1_000, burst: 2_000 }),
  /** What one user may ask with a token of theirs, over all addresses. */
  userRateLimit: z
    .object({ perSecond: z.number().positive().max(1_000_000), burst: z.number().min(1).max(1_000_000) })
    .default({ perSecond: 5, burst: 30 }),
  /** Addresses or CIDR ranges whose `X-Forwarded-*` are believed. */
  trustedProxies: z.array(z.string().min(1)).default([]),
});

export type HttpApiConfig = z.output<typeof httpApiConfigSchema>;
