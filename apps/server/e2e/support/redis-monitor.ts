import { once } from 'node:events';
import { connect } from 'node:net';

/** What clients ask of a Redis from here on, one line each; what functions ask there is not among it. */
export interface RedisMonitor {
  /** Of one command (in capitals), those whose line matches. */
  count(command: string, pattern: RegExp): number;
  close(): void;
}

export async function monitorRedis(url: string): Promise<RedisMonitor> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
  });
  socket.write('MONITOR\r\n');
  await once(socket, 'data');
  return {
    count(command, pattern) {
      const asked = text
        .split('\n')
        .filter((line) => new RegExp(`^\\+[\\d.]+ \\[\\d+ [\\d.]+:\\d+\\] "${command}"`, 'i').test(line));
      return asked.filter((line) => pattern.test(line)).length;
    },
    close() {
      socket.destroy();
    },
  };
}
