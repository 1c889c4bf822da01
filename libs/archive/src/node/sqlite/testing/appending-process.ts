/**
 * A process that appends batch after batch to the archive file that it is given, until it is killed, and prints the
 * number of each batch that was confirmed: `node appending-process.mjs FILE WORKER FIRST`.
 */
import { pathToFileURL } from 'node:url';
import { valueOf } from '../../../conformance/a-conversation.ts';
import { appendBatches } from '../../../testing/steady-appends.ts';
import { SqliteArchive } from '../sqlite-archive.ts';

const [path = '', program = '', first = '1'] = process.argv.slice(2);
const archive = valueOf(await SqliteArchive.open({ path, program: pathToFileURL(program) }));
process.stdout.write('0\n');
await appendBatches(archive, Number(first), (number) => {
  process.stdout.write(`${String(number)}\n`);
});
