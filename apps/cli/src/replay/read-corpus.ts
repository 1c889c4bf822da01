import { createHash } from 'node:crypto';
import { err, ok, type Result } from '@millrace/kernel';
import { linesOf, unreadable } from '../lines-of-file.ts';
import { parseCorpusLine, type CorpusLine, type Misfit } from './corpus-line.ts';

/** What a first reading of the whole file tells: how much there is, and which file it was. */
export interface CorpusSummary {
  readonly lines: number;
  readonly sha256: string;
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
