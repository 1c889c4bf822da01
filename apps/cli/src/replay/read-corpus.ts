import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Transform, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { err, ok, type Result } from '@millrace/kernel';
import { parseCorpusLine, type CorpusLine, type Misfit } from './corpus-line.ts';

/** What a first reading of the whole file tells: how much there is, and which file it was. */
export interface CorpusSummary {
  readonly lines: number;
  readonly sha256: string;
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}

/** The text lines of a file, gzipped or plain; an empty last line is none. Rejects when it cannot be read. */
async function* linesOf(path: string, onBytes?: (bytes: Buffer) => void): AsyncGenerator<string> {
  const gzip = await isGzip(path);
  const file = createReadStream(path);
  const watched = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes?.(chunk);
      done(null, chunk);
    },
  });
  const last: Readable = gzip ? file.pipe(watched).pipe(createGunzip()) : file.pipe(watched);
  // pipe() does not pass errors on, and readline would end as if the file were whole.
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    last.destroy();
  };
  file.on('error', fail);
  last.on('error', fail);
  const reader = createInterface({ input: last, crlfDelay: Infinity });
  try {
    for await (const line of reader) yield line;
    if (failure !== undefined) throw failure;
  } finally {
    reader.close();
    file.destroy();
  }
}

function unreadable(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return `There is no file ${path}.`;
  if (code === 'EISDIR') return `${path} is a directory: name a file of JSON lines, gzipped or plain.`;
  if (code.startsWith('Z_')) return `${path} is not a whole gzip file (${code}): it was cut off or damaged.`;
  return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

export async function summarizeCorpus(path: string): Promise<Result<CorpusSummary, string>> {
  const hash = createHash('sha256');
  let lines = 0;
  try {
    // Counted as lines, not bytes: a gzip file tells its length only modulo 2^32.
    for await (const _line of linesOf(path, (bytes) => hash.update(bytes))) lines += 1;
  } catch (error) {
    return err(unreadable(path, error));
  }
  return ok({ lines, sha256: hash.digest('hex') });
}

/**
 * Every line in the order of the file, as a message or as what is wrong with it.
 *
 * @throws Error with a text for people when the file cannot be read to its end.
 */
export async function* readCorpus(path: string, bodyBytesMax: number): AsyncGenerator<Result<CorpusLine, Misfit>> {
  let line = 0;
  try {
    for await (const text of linesOf(path)) {
      line += 1;
      yield parseCorpusLine(text, line, bodyBytesMax);
    }
  } catch (error) {
    throw new Error(unreadable(path, error), { cause: error });
  }
}
