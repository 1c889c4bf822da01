import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what systems hand out to outgoing connections (Linux from 32,768, others from 49,152): such a port stays free
 * while its server is down and comes back.
 */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES_MAX = 100;

async function canListen(port: number): Promise<boolean> {
  const probe = createServer();
  probe.listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}

/** A loopback port that nobody listens on now. @throws when none of a hundred is free. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(FIRST, LAST);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port was found between ${String(FIRST)} and ${String(LAST)}`);
}
