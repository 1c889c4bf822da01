/**
 * Makes sure that there is a Redis server to start: finds one, or installs it, and says what it does.
 */
import { describeLocalRedisError, findRedisServer, installRedisServer } from '@millrace/local-redis';

const progress = (line: string): void => {
  process.stderr.write(`  ${line}\n`);
};

let server = await findRedisServer();
if (!server.ok && server.error.code === 'redis_missing') {
  process.stderr.write('• no Redis on this machine: installing it\n');
  server = await installRedisServer(progress);
}
if (server.ok) {
  process.stderr.write(`• ${server.value.product} ${server.value.version} at ${server.value.path}\n`);
} else {
  process.stderr.write(`\n${describeLocalRedisError(server.error)}\n`);
  process.exitCode = 1;
}
