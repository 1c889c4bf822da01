/** The library's own range read in a thread of its own: a program of its own, told the file by `workerData`. */
import { parentPort, workerData } from 'node:worker_threads';
import { FloorTable } from './floor-table.ts';
import type { FloorQuestion, FloorReply, FloorThreadTask } from './floor-in-thread.ts';

const { path } = workerData as FloorThreadTask;
const table = FloorTable.reader(path);
parentPort?.on('message', ({ id, asked }: FloorQuestion) => {
  const { sizes, bytes } = table.packed(asked);
  parentPort?.postMessage({ id, sizes, bytes } satisfies FloorReply, [bytes.buffer]);
});
parentPort?.postMessage({ id: 0, sizes: [], bytes: new Uint8Array(0) } satisfies FloorReply);
