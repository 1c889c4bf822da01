import { createServer, type AddressInfo, type Server } from 'node:net';
import { err, ok, type Result } from '@millrace/kernel';
import type { ServerConfig } from '../server-config.ts';

function listen(host: string, port: number): Promise<Result<Server, NodeJS.ErrnoException>> {
  const server = createServer();
  return new Promise((resolve) => {
    server.on('error', (error) => {
      resolve(err(error));
    });
    server.listen({ host, port, exclusive: true }, () => {
      resolve(ok(server));
    });
  });
}

/**
 * The ports that the processes are to share, each free now; 0 is replaced by one that is. Looked at once, before anybody
 * listens: those who share a port could not tell another program from one another.
 */
export async function freeSharedPorts(
  config: Pick<ServerConfig, 'host' | 'port' | 'socketPort'>,
  hasSockets: boolean,
): Promise<Result<{ readonly port: number; readonly socketPort: number }, string>> {
  const { host } = config;
  const held: Server[] = [];
  const ports: number[] = [];
  try {
    for (const [variable, wanted] of [
      ['MILLRACE_PORT', config.port],
      ['MILLRACE_SOCKET_PORT', config.socketPort],
    ] as const) {
      if (variable === 'MILLRACE_SOCKET_PORT' && !hasSockets) continue;
      const server = await listen(host, wanted);
      if (!server.ok) {
        const where = `${host}:${String(wanted)}`;
        const isTaken = server.error.code === 'EADDRINUSE';
        const why = isTaken
          ? `${where} is taken by another program`
          : `cannot listen on ${where}: ${server.error.message}`;
        return err(`${variable} is ${String(wanted)}, but ${why}`);
      }
      held.push(server.value);
      ports.push((server.value.address() as AddressInfo).port);
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
  const [port = 0, socketPort = config.socketPort] = ports;
  return ok({ port, socketPort });
}
