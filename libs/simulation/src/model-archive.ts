import type { AppendOutcome, ArchiveChunk, ArchiveStore, ArchiveUnavailable } from '@millrace/archive';
import { MemoryArchive, type MemoryArchiveDisk } from '@millrace/archive/testing';
import { err, type Result, type Timers } from '@millrace/kernel';

/** What happens to one call. `lose-request`: it is not done. `lose-reply`: it is done, and nobody learns of it. */
export interface ArchiveFate {
  readonly kind: 'none' | 'lose-request' | 'lose-reply';
  readonly requestMs: number;
  readonly replyMs: number;
}

export interface ModelArchiveParts {
  readonly disk: MemoryArchiveDisk;
  readonly timers: Timers;
  readonly fate: () => ArchiveFate;
  /** Told of each chunk before it is appended. */
  readonly appending: (chunk: ArchiveChunk) => void;
}

const away: ArchiveUnavailable = {
  code: 'unavailable',
  retry: 'backoff',
  message: 'The archive gave no answer.',
  whatToDo: 'Try again.',
};

/** An archive as one process reaches it: calls take time, and they or their answers may be lost. */
export class ModelArchive implements ArchiveStore {
  readonly #parts: ModelArchiveParts;
  readonly #archive: MemoryArchive;

  constructor(parts: ModelArchiveParts) {
    this.#parts = parts;
    this.#archive = new MemoryArchive(parts.disk);
  }

  append(chunks: readonly ArchiveChunk[]): Promise<Result<readonly AppendOutcome[], ArchiveUnavailable>> {
    return this.#carry(() => {
      for (const chunk of chunks) this.#parts.appending(chunk);
      return this.#archive.append(chunks);
    });
  }

  read: ArchiveStore['read'] = (...args) => this.#carry(() => this.#archive.read(...args));
  at: ArchiveStore['at'] = (...args) => this.#carry(() => this.#archive.at(...args));
  extent: ArchiveStore['extent'] = (...args) => this.#carry(() => this.#archive.extent(...args));
  erase: ArchiveStore['erase'] = (...args) => this.#carry(() => this.#archive.erase(...args));
  chain: ArchiveStore['chain'] = (...args) => this.#carry(() => this.#archive.chain(...args));
  trim: ArchiveStore['trim'] = (...args) => this.#carry(() => this.#archive.trim(...args));
  drop: ArchiveStore['drop'] = (...args) => this.#carry(() => this.#archive.drop(...args));
  identity: ArchiveStore['identity'] = () => this.#carry(() => this.#archive.identity());
  health: ArchiveStore['health'] = () => this.#carry(() => this.#archive.health());
  stats: ArchiveStore['stats'] = () => this.#carry(() => this.#archive.stats());
  close: ArchiveStore['close'] = () => this.#archive.close();

  async #carry<T, E>(call: () => Promise<Result<T, E>>): Promise<Result<T, E | ArchiveUnavailable>> {
    const { kind, requestMs, replyMs } = this.#parts.fate();
    await this.#wait(requestMs);
    if (kind === 'lose-request') return err(away);
    const outcome = await call();
    await this.#wait(replyMs);
    return kind === 'lose-reply' ? err(away) : outcome;
  }

  #wait(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(forMs, resolve);
    });
  }
}
