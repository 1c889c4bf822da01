/**
 * Makes sure that there is a Redis server to start, and with `--postgres`, as the tests need it, a PostgreSQL: finds
 * each, or installs it, and says what it does.
 */
import { describeLocalPostgresError, findPostgres, installPostgres } from '@millrace/local-postgres';
import { describeLocalRedisError, findRedisServer, installRedisServer } from '@millrace/local-redis';

const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const progress = (line: string): void => {
  tell(`  ${line}`);
};

let server = await findRedisServer();
if (!server.ok && server.error.code === 'redis_missing') {
  tell('• no Redis on this machine: installing it');
  server = await installRedisServer(progress);
}
if (server.ok) {
  tell(`• ${server.value.product} ${server.value.version} at ${server.value.path}`);
} else {
  tell(`\n${describeLocalRedisError(server.error)}`);
  process.exitCode = 1;
}

if (process.argv.includes('--postgres')) {
  let postgres = await findPostgres();
  if (!postgres.ok && postgres.error.code === 'postgres_missing') {
    tell('• no PostgreSQL on this machine: installing it');
    postgres = await installPostgres(progress);
  }
  if (postgres.ok) {
    tell(`• postgres ${postgres.value.version} at ${postgres.value.postgres}`);
  } else {
    tell(`\n${describeLocalPostgresError(postgres.error)}`);
    process.exitCode = 1;
  }
}
