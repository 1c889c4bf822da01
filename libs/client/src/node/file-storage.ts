import { open, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromUtf8, hash32 } from '@millrace/kernel';
import type { ClientStorage } from '../api.ts';

type Entries = ReadonlyMap<string, string | null>;

/** The log is rewritten when it is this much longer than twice what it holds. */
const SLACK_BYTES = 1 << 20;
const NEWLINE = 0x0a;

/**
 * Keeps everything in one file, and in memory. The file is a log: a line for each `set`, `hash json`, where the JSON
 * is a list of `[key, value]` and the hash is that of the JSON text. So a `set` is in the file whole or, when the
 * process or the machine ended amid it, as a torn last line, which `load` passes over and the first `set` cuts off.
 * When the log has grown too long, it is written anew beside itself and renamed.
 *
 * `set` resolves after the bytes are on the disk (fdatasync). One file belongs to one client at a time; who only loads
 * may look into it meanwhile, since what is a torn line to him can be one that the client is about to have written.
 *
 * @throws Error from `load`, when a line before the last one is damaged: counters must not go back in time.
 */
export function fileStorage(path: string): ClientStorage {
  const file = new LogFile(path);
  // One after the other, so that `close` waits for a `set`.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result.catch(() => undefined);
    return result;
  };
  return {
    load: () => inTurn(async () => new Map(await file.read())),
    set: (entries) => inTurn(() => file.append(entries)),
    close: () => inTurn(() => file.close()),
  };
}

class LogFile {
  readonly #path: string;
  #handle: FileHandle | null = null;
  #kept = new Map<string, string>();
  #length = 0;
  #liveBytes = 0;
  /** Behind `#length` is a torn line, which must not stand before the next one. */
  #isTorn = false;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<ReadonlyMap<string, string>> {
    await this.#opened();
    return this.#kept;
  }

  async append(entries: Entries): Promise<void> {
    const handle = await this.#opened();
    const line = lineOf([...entries]);
    if (this.#isTorn) {
      await handle.truncate(this.#length);
      this.#isTorn = false;
    }
    try {
      await writeAll(handle, line, this.#length);
      await handle.datasync();
    } catch (error) {
      // What was written of it must not stand before the next line.
      await handle.truncate(this.#length);
      throw error;
    }
    this.#length += line.length;
    this.#keep(entries);
    if (this.#length > 2 * this.#liveBytes + SLACK_BYTES) await this.#compact();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }

  async #opened(): Promise<FileHandle> {
    if (this.#handle !== null) return this.#handle;
    const { handle, created } = await openOrCreate(this.#path);
    try {
      if (created) await syncDirectory(this.#path);
      const bytes = await handle.readFile();
      this.#kept = new Map();
      this.#liveBytes = 0;
      this.#length = 0;
      for (const { entries, end } of readLines(bytes, this.#path)) {
        this.#keep(entries);
        this.#length = end;
      }
      this.#isTorn = this.#length < bytes.length;
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#handle = handle;
    return handle;
  }

  #keep(entries: Entries): void {
    for (const [key, value] of entries) {
      const old = this.#kept.get(key);
      if (old !== undefined) this.#liveBytes -= key.length + old.length;
      if (value === null) this.#kept.delete(key);
      else {
        this.#kept.set(key, value);
        this.#liveBytes += key.length + value.length;
      }
    }
  }

  /** A rename is atomic: whenever the process ends, the path names the old log or the new one, both complete. */
  async #compact(): Promise<void> {
    const beside = `${this.#path}.new`;
    const line = lineOf([...this.#kept]);
    const handle = await open(beside, 'w+', 0o600);
    try {
      await writeAll(handle, line, 0);
      await handle.sync();
      await rename(beside, this.#path);
    } catch {
      // The old log is whole and holds the same: the next `set` tries again.
      await handle.close();
      return;
    }
    // From here on the path names the new log, whatever fails.
    await this.#handle?.close();
    this.#handle = handle;
    this.#length = line.length;
    await syncDirectory(this.#path);
  }
}

function lineOf(entries: readonly (readonly [string, string | null])[]): Buffer {
  const json = JSON.stringify(entries);
  return Buffer.from(`${hash32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

function* readLines(bytes: Buffer, path: string): Generator<{ readonly entries: Entries; readonly end: number }> {
  let start = 0;
  for (let number = 1; start < bytes.length; number += 1) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    const entries = newline === -1 ? null : readLine(bytes.subarray(start, newline));
    if (entries === null) {
      if (end === bytes.length) return;
      throw new Error(`${path}: line ${String(number)} is damaged; move the file away to begin as a new device`);
    }
    yield { entries, end };
    start = end;
  }
}

/** Null when the line is not what was written. */
function readLine(line: Buffer): Entries | null {
  let text: string;
  try {
    text = fromUtf8(line);
  } catch {
    return null;
  }
  const json = text.slice(9);
  if (text.slice(0, 9) !== `${hash32(json).toString(16).padStart(8, '0')} `) return null;
  return new Map(JSON.parse(json) as [string, string | null][]);
}

async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at + written);
    written += bytesWritten;
  }
}

async function openOrCreate(path: string): Promise<{ readonly handle: FileHandle; readonly created: boolean }> {
  try {
    return { handle: await open(path, 'r+'), created: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // It holds what the user wrote and read.
    return { handle: await open(path, 'wx+', 0o600), created: true };
  }
}

/** So that the name itself survives a loss of power. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
