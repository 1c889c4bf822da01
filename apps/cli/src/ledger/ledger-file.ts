import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { err, ok, type Result } from '@millrace/kernel';
import { emptyBook, enter, type LedgerBook } from './ledger-book.ts';
import { parseLedgerRecord, parseRunRecord, type LedgerRecord, type RunRecord } from './ledger-record.ts';

export interface ReadLedger {
  readonly path: string;
  readonly run: RunRecord;
  readonly book: LedgerBook;
  /** Bytes of the whole records; less than the file's when the writer was killed within a record. */
  readonly wholeBytes: number;
}

/**
 * Writes a ledger. Every record is handed to the kernel before `append` returns, so that the death of this process
 * loses none; only the death of the machine can, until `close`.
 */
export class LedgerWriter {
  readonly path: string;
  readonly #file: number;

  private constructor(path: string, file: number) {
    this.path = path;
    this.#file = file;
  }

  static create(path: string, run: RunRecord): Result<LedgerWriter, string> {
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) return err(`The ledger ${path} is there already: name another run, or use --resume.`);
    const writer = new LedgerWriter(path, openSync(path, 'ax'));
    writer.#write(run);
    return ok(writer);
  }

  /** Goes on behind the last whole record. */
  static resume(ledger: ReadLedger): LedgerWriter {
    const file = openSync(ledger.path, 'r+');
    ftruncateSync(file, ledger.wholeBytes);
    closeSync(file);
    return new LedgerWriter(ledger.path, openSync(ledger.path, 'a'));
  }

  #write(record: RunRecord | LedgerRecord): void {
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
    for (let written = 0; written < bytes.length;) written += writeSync(this.#file, bytes, written);
  }

  append(record: LedgerRecord): void {
    this.#write(record);
  }

  close(): void {
    fsyncSync(this.#file);
    closeSync(this.#file);
  }
}

/** Reads a whole ledger. A torn last record is left out: what it would have said was not recorded. */
export async function readLedger(path: string): Promise<Result<ReadLedger, string>> {
  if (!existsSync(path)) return err(`There is no ledger ${path}.`);
  const sizeBytes = statSync(path).size;
  const book = emptyBook();
  let run: RunRecord | undefined;
  let wholeBytes = 0;
  let line = 0;
  const input = createReadStream(path, { encoding: 'utf8' });
  const reader = createInterface({ input, crlfDelay: Infinity });
  try {
    for await (const text of reader) {
      line += 1;
      const endBytes = wholeBytes + Buffer.byteLength(text) + 1;
      const torn = endBytes > sizeBytes;
      if (torn) break;
      if (run === undefined) {
        const first = parseRunRecord(text);
        if (!first.ok) return err(`${path} is not a ledger: ${first.error}.`);
        run = first.value;
      } else {
        const record = parseLedgerRecord(text);
        if (record === null) return err(`Line ${String(line)} of the ledger ${path} is not a record.`);
        if (!enter(book, record)) {
          return err(`Line ${String(line)} of the ledger ${path} speaks of a conversation that was not created.`);
        }
      }
      wholeBytes = endBytes;
    }
  } finally {
    reader.close();
    input.destroy();
  }
  if (run === undefined) return err(`The ledger ${path} is empty.`);
  return ok({ path, run, book, wholeBytes });
}

export const ledgerDirectory = (dataDir: string): string => join(dataDir, 'ledgers');
export const ledgerPath = (dataDir: string, run: string): string => join(ledgerDirectory(dataDir), `${run}.jsonl`);

/** The ledger that was written to last, or null when there is none. */
export function newestLedger(dataDir: string): string | null {
  const directory = ledgerDirectory(dataDir);
  if (!existsSync(directory)) return null;
  const ledgers = readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(directory, name))
    .map((path) => ({ path, writtenMs: statSync(path).mtimeMs }))
    .sort((left, right) => right.writtenMs - left.writtenMs);
  return ledgers[0]?.path ?? null;
}
