import { nodeClient } from '@millrace/client/node';
import type { MillraceClient } from '@millrace/client';
import { err, ok, parseUserId, type Result, type UserId } from '@millrace/kernel';
import type { Args, Context } from './command.ts';
import { findEndpoints, urlOf } from './endpoints.ts';
import { tokenSourceOf } from './token-source.ts';

export interface OpenClient {
  readonly client: MillraceClient;
  readonly user: UserId;
}

/** A client of the user named by `--as`, not yet connected: a new device that keeps nothing. */
export async function openClient(args: Args, { environment }: Context): Promise<Result<OpenClient, string>> {
  const name = args.text('as');
  if (name === undefined) return err('Say who you are: --as USER.');
  const user = parseUserId(name);
  if (!user.ok) return err(user.error.message);
  const tokenOf = tokenSourceOf(args, environment);
  if (!tokenOf.ok) return tokenOf;
  const url = urlOf(args, environment);
  if (!url.ok) return url;
  const endpoints = await findEndpoints(url.value);
  if (!endpoints.ok) return endpoints;
  // Told now, and not on every attempt to connect, when it cannot be had at all.
  const first = await tokenOf.value(user.value);
  if (!first.ok) return first;
  const client = nodeClient({
    url: endpoints.value.websocket,
    clientName: 'millrace-cli',
    token: async () => {
      const token = await tokenOf.value(user.value);
      if (!token.ok) throw new Error(token.error);
      return token.value;
    },
  });
  return ok({ client, user: user.value });
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
