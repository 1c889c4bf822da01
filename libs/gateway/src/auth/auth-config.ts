import { z } from 'zod';

export const tokenAlgorithms = ['HS256', 'RS256', 'ES256'] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

/** What checks the signatures. Files are read by whoever reads the configuration. */
const keySchema = z.discriminatedUnion('kind', [
  /** Shared with the backend that issues the tokens. RFC 7518 asks for 32 bytes at least. */
  z.object({ kind: z.literal('secret'), secret: z.string().min(32, 'HS256 needs a secret of at least 32 characters') }),
  /** A public key or certificate. */
  z.object({ kind: z.literal('publicKey'), pem: z.string().min(1) }),
  /** The text of a JWKS document. */
  z.object({ kind: z.literal('jwks'), json: z.string().min(1) }),
  /** Where a JWKS document is. */
  z.object({ kind: z.literal('jwksUrl'), url: z.url({ protocol: /^https?$/ }) }),
]);

/** Everything that can be set about users' tokens. */
export const authConfigSchema = z
  .object({
    key: keySchema,
    /** The only ones that are taken. Default: HS256 with a secret, RS256 and ES256 with public keys. */
    algorithms: z.array(z.enum(tokenAlgorithms)).min(1).optional(),
    /** A token must name it. */
    audience: z.string().min(1).max(200),
    /** When set, a token must name it. */
    issuer: z.string().min(1).max(200).nullable().default(null),
    /** How far the clocks of the issuer and of this machine may be apart, seconds. */
    clockToleranceS: z.number().int().min(0).max(120).default(5),
    /** How long keys from an address are taken as fresh, milliseconds. */
    jwksMaxAgeMs: z.number().int().min(1_000).max(86_400_000).default(600_000),
    /** The least time between two requests to that address, whatever the tokens name, milliseconds. */
    jwksCooldownMs: z.number().int().min(100).max(3_600_000).default(30_000),
    jwksTimeoutMs: z.number().int().min(100).max(60_000).default(5_000),
  })
  .superRefine(({ key, algorithms }, context) => {
    for (const algorithm of algorithms ?? []) {
      if ((algorithm === 'HS256') === (key.kind === 'secret')) continue;
      const message =
        key.kind === 'secret'
          ? `${algorithm} needs public keys, not a secret`
          : 'HS256 needs a secret: with a public key anyone could sign';
      context.addIssue({ code: 'custom', path: ['algorithms'], message });
    }
  });

export type AuthConfig = z.output<typeof authConfigSchema>;

export const algorithmsOf = ({ key, algorithms }: AuthConfig): readonly TokenAlgorithm[] =>
  algorithms ?? (key.kind === 'secret' ? ['HS256'] : ['RS256', 'ES256']);
