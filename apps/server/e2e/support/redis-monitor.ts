import { once } from 'node:events';
import { connect } from 'node:net';

/** What clients ask of a Redis from here on, one line each; what functions ask there is counted apart. */
export interface RedisMonitor {
  /** Of one command (in capitals), those whose line matches. */
  count(command: string, pattern: RegExp): number;
  /** Likewise, of what functions ask. */
  countInFunctions(command: string, pattern: RegExp): number;
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
  const said = (command: string, by: string, pattern: RegExp): number => {
    const asked = new RegExp(`^\\+[\\d.]+ \\[\\d+ ${by}\\] "${command}"`, 'i');
    return text.split('\n').filter((line) => asked.test(line) && pattern.test(line)).length;
  };
  return {
    count: (command, pattern) => said(command, '[\\d.]+:\\d+', pattern),
    countInFunctions: (command, pattern) => said(command, 'lua', pattern),
    close() {
      socket.destroy();
    },
  };
}
