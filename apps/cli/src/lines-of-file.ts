import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Transform, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}

/** Of one line, before it is taken for no text at all: a small gzip file may hold any amount without a line break. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const LINE_BREAK = 0x0a;

/** Passes on what it gets, and fails at a line that is too long to be held. */
function boundedLines(): Transform {
  let [line, length] = [1, 0];
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let from = 0;
      for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, from)) {
        [from, line, length] = [at + 1, line + 1, 0];
      }
      length += chunk.length - from;
      if (length <= LINE_BYTES_MAX) done(null, chunk);
      else
        done(new Error(`line ${String(line)} has more than ${String(LINE_BYTES_MAX)} bytes: these are no JSON lines`));
    },
  });
}

/** The text lines of a file, gzipped or plain; an empty last line is none. Rejects when it cannot be read. */
export async function* linesOf(path: string, onBytes?: (bytes: Buffer) => void): AsyncGenerator<string> {
  const gzip = await isGzip(path);
  const file = createReadStream(path);
  const watched = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes?.(chunk);
      done(null, chunk);
    },
  });
  const text: Readable = gzip ? file.pipe(watched).pipe(createGunzip()) : file.pipe(watched);
  const last: Readable = text.pipe(boundedLines());
  // pipe() does not pass errors on, and readline would end as if the file were whole.
  const reader = createInterface({ input: last, crlfDelay: Infinity });
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    reader.close();
  };
  file.on('error', fail);
  text.on('error', fail);
  last.on('error', fail);
  try {
    for await (const line of reader) yield line;
    if (failure !== undefined) throw failure;
  } finally {
    reader.close();
    file.destroy();
  }
}

/** For people. */
export function unreadable(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return `There is no file ${path}.`;
  if (code === 'EISDIR') return `${path} is a directory: name a file of JSON lines, gzipped or plain.`;
  if (code.startsWith('Z_')) return `${path} is not a whole gzip file (${code}): it was cut off or damaged.`;
  return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
