/**
 * A process that applies batch after batch to the index that it is given, until it is killed, and prints the number of each
 * that was confirmed: `node indexing-process.mjs DIRECTORY WORKER FIRST`.
 */
import { pathToFileURL } from 'node:url';
import { partition, valueOf } from '../../../conformance/messages.ts';
import { steadyBatch } from '../../../testing/steady-batches.ts';
import { SqliteSearch } from '../sqlite-search.ts';

const [directory = '', program = '', first = '1'] = process.argv.slice(2);
const index = valueOf(await SqliteSearch.open({ directory, program: pathToFileURL(program) }));
process.stdout.write('0\n');
for (let number = Number(first); ; number += 1) {
  const after = valueOf(await index.cursor(partition));
  valueOf(await index.apply({ ...steadyBatch(number), after }));
  process.stdout.write(`${String(number)}\n`);
}
