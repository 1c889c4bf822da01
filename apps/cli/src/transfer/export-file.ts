import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { err, ok, type Result } from '@millrace/kernel';
import type { Line } from './file-lines.ts';
import { NO_ENTRIES } from './line-chain.ts';

/** Where an export stands once everything up to `bytes` is in its file. */
export interface ExportMark {
  /** What is exported: a file is not gone on with by another export. */
  readonly what: string;
  readonly bytes: number;
  readonly conversations: number;
  readonly messages: number;
  /** The one that is under way, and where; null between two. */
  readonly conversation: string | null;
  readonly cursor: string | null;
  /** The last one that is whole. */
  readonly last: string | null;
  /** The link up to the last entry that is written of the one that is under way. */
  readonly chain: string;
}

/** Where the lines of an export go. */
export interface ExportSink {
  readonly mark: ExportMark;
  /** Takes lines; `mark` tells where the export stands behind them. */
  write(lines: readonly Line[], mark: Omit<ExportMark, 'what' | 'bytes'>): Promise<void>;
  /** Everything is written. */
  end(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What is written at a time. By the lines alone, so that the blocks of a gzip file, each a whole member of it, are the same
 * however often the export was interrupted.
 */
const BLOCK_BYTES = 1024 * 1024;

const compressed = promisify(gzip);

export const startOf = (what: string): ExportMark => ({
  ...{ what, bytes: 0, conversations: 0, messages: 0 },
  ...{ conversation: null, cursor: null, last: null, chain: NO_ENTRIES },
});

const markPath = (path: string): string => `${path}.progress`;

/**
 * A file, with a small one beside it that tells how far it is: whoever goes on cuts off what is behind that.
 *
 * (E1) The mark is written when what it tells of is in the file, and never before.
 */
export class ExportFile implements ExportSink {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #isGzip: boolean;
  #mark: ExportMark;
  /** What is not written yet. */
  #text = '';

  private constructor(path: string, file: FileHandle, mark: ExportMark) {
    this.#path = path;
    this.#file = file;
    this.#isGzip = path.endsWith('.gz');
    this.#mark = mark;
  }

  /** Goes on with what is there of the same export, or begins. */
  static async open(path: string, what: string, replaces: boolean): Promise<Result<ExportFile, string>> {
    try {
      const found = existsSync(markPath(path))
        ? (JSON.parse(readFileSync(markPath(path), 'utf8')) as ExportMark)
        : null;
      if (found === null && existsSync(path) && !replaces)
        return err(`There is a file ${path} already: give another name, or --replace.`);
      // One that a program without chains began cannot be gone on with.
      const goesOn =
        found !== null && 'chain' in found && !replaces && existsSync(path) && statSync(path).size >= found.bytes;
      if (goesOn && found.what !== what)
        return err(`${path} is the beginning of another export (${found.what}): --replace begins anew.`);
      const mark = goesOn ? found : startOf(what);
      const file = await open(path, goesOn ? 'r+' : 'w');
      await file.truncate(mark.bytes);
      // Also of a file that is empty yet: it is known as the beginning of this export.
      writeFileSync(markPath(path), JSON.stringify(mark));
      return ok(new ExportFile(path, file, mark));
    } catch (error) {
      return err(`${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  get mark(): ExportMark {
    return this.#mark;
  }

  async write(lines: readonly Line[], mark: Omit<ExportMark, 'what' | 'bytes'>): Promise<void> {
    for (const line of lines) this.#text += `${JSON.stringify(line)}\n`;
    if (this.#text.length >= BLOCK_BYTES) await this.#flush(mark);
  }

  async #flush(mark: Omit<ExportMark, 'what' | 'bytes'>): Promise<void> {
    const block = this.#isGzip ? await compressed(this.#text) : Buffer.from(this.#text);
    this.#text = '';
    await this.#file.write(block, 0, block.length, this.#mark.bytes);
    await this.#file.datasync();
    this.#mark = { ...mark, what: this.#mark.what, bytes: this.#mark.bytes + block.length };
    writeFileSync(`${markPath(this.#path)}.new`, JSON.stringify(this.#mark));
    renameSync(`${markPath(this.#path)}.new`, markPath(this.#path));
  }

  async end(): Promise<void> {
    if (this.#text !== '') await this.#flush(this.#mark);
    rmSync(markPath(this.#path), { force: true });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Standard output: waits while its reader does. */
export class ExportOutput implements ExportSink {
  readonly mark: ExportMark;

  constructor(what: string) {
    this.mark = startOf(what);
  }

  async write(lines: readonly Line[]): Promise<void> {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
