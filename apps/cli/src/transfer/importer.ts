import { err, ok, type Result } from '@millrace/kernel';
import type { Line } from './file-lines.ts';
import { ATTEMPTS_MAX, askSteadily, waitBefore, type Api } from './steady-api.ts';

/** Of one slice: some milliseconds of Redis. */
const ENTRIES_MAX = 250;
const LINES_MAX = 1_000;
/** Of one request, as JSON; the server takes a megabyte. */
const BYTES_MAX = 500_000;
const SLICES_MAX = 100;
/** Of one line: with its conversation's own it must fit into a request. */
const LINE_BYTES_MAX = 250_000;

/** What is wrong with a line of the file, from 1. */
export interface Fault {
  readonly number: number;
  readonly message: string;
}

export interface ImporterParts {
  readonly api: Api;
  readonly onFault: (fault: Fault) => void;
  /** Lines that are dealt with. */
  readonly onLines: (count: number) => void;
}

interface Numbered {
  readonly line: Line;
  readonly number: number;
}

interface Slice {
  readonly of: Open;
  readonly lines: readonly Numbered[];
  /** The entry before those of it in the file, 0 for none. */
  readonly after: number;
}

/** A conversation that is on its way. */
interface Open {
  readonly first: Numbered;
  pending: Numbered[];
  entries: number;
  /** The last entry that was read, and the one before those that are pending. */
  last: number;
  before: number;
  /** As the server told it last. */
  seq: number;
  isDone: boolean;
  /** One of its lines is wrong: nothing more of it is sent. */
  isBad: boolean;
  isEnded: boolean;
}

type SliceResult =
  | { readonly ok: true; readonly seq: number; readonly done: boolean; readonly announced: string | null }
  | {
      readonly ok: false;
      readonly line: number | null;
      readonly error: { readonly message: string; readonly retry?: string };
    };

interface Again {
  readonly again: readonly Slice[];
  readonly why: string;
}

interface Results {
  readonly results: readonly SliceResult[];
}

const isResults = (value: unknown): value is Results => Array.isArray((value as Partial<Results> | null)?.results);
const isEntry = (line: Line): boolean => 'seq' in line && !('key' in line);
const bodyOf = (slices: readonly Slice[], announced: string | null): object => ({
  slices: slices.map(({ lines, after }) => ({ lines: lines.map(({ line }) => line), after, announced })),
});
const sizeOf = (line: Line): number => Buffer.byteLength(JSON.stringify(line));

/**
 * Sends the lines of conversations to the server, by slices, and passes over what the server has already: so an import that
 * was interrupted is done again from its beginning.
 *
 * (M1) Slices of one conversation go in order; of one with a line that is wrong nothing goes from that slice on.
 * (M2) What is refused for the moment (a node that stops, a store that is away) is sent again, and no fault of a line.
 */
export class Importer {
  readonly #parts: ImporterParts;
  readonly #open = new Map<string, Open>();
  #ready: Slice[] = [];
  #bytes = 0;
  /** Conversations that are whole on the server. */
  done = 0;
  /** Entries of them that were sent, or were there. */
  entries = 0;
  faults = 0;

  constructor(parts: ImporterParts) {
    this.#parts = parts;
  }

  /** Conversations whose end has not come. */
  get unfinished(): readonly string[] {
    return [...this.#open].filter(([, { isBad }]) => !isBad).map(([id]) => id);
  }

  /** One of its lines is wrong, as was told. */
  isBad(conversation: string): boolean {
    return this.#open.get(conversation)?.isBad === true;
  }

  fault(number: number, message: string): void {
    this.faults += 1;
    this.#parts.onFault({ number, message });
  }

  /** @returns false for one that came before. */
  begin(conversation: string, line: Line, number: number): boolean {
    if (this.#open.has(conversation)) return false;
    const isDone = false;
    const open = { pending: [], entries: 0, last: 0, before: 0, seq: 0, isDone, isBad: false, isEnded: false };
    this.#open.set(conversation, { first: { line, number }, ...open });
    this.#takes(conversation, line, number);
    return true;
  }

  /** A line that is wrong before anybody else has to say so: nothing of its slice is sent. */
  spoil(conversation: string, number: number, message: string): void {
    this.fault(number, message);
    const open = this.#open.get(conversation);
    if (open === undefined) return;
    open.isBad = true;
    open.pending = [];
  }

  /** Counts it into what is to be sent. @returns false for one that no request would hold. */
  #takes(conversation: string, line: Line, number: number): boolean {
    const bytes = sizeOf(line);
    if (bytes > LINE_BYTES_MAX) {
      this.spoil(conversation, number, `it has ${String(bytes)} bytes; at most ${String(LINE_BYTES_MAX)} are taken`);
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  /** @param isLast - nothing comes behind it. */
  async add(conversation: string, line: Line, number: number, isLast: boolean): Promise<Result<null, string>> {
    const open = this.#open.get(conversation);
    if (open === undefined || open.isBad) {
      this.#parts.onLines(1);
      if (isLast) this.#open.delete(conversation);
      return ok(null);
    }
    open.isEnded = isLast;
    const entry = isEntry(line);
    const isThere = open.isDone ? !isLast : entry && typeof line['seq'] === 'number' && line['seq'] <= open.seq;
    if (isThere) this.#parts.onLines(1);
    else if (this.#takes(conversation, line, number)) {
      if (open.pending.length === 0) open.before = open.last;
      open.pending.push({ line, number });
    } else this.#parts.onLines(1);
    if (entry) [open.entries, this.entries] = [open.entries + 1, this.entries + 1];
    if (entry && Number.isSafeInteger(line['seq'])) open.last = Number(line['seq']);
    if (isLast || open.entries >= ENTRIES_MAX || open.pending.length >= LINES_MAX) this.#seal(open);
    return this.#bytes >= BYTES_MAX || this.#ready.length >= SLICES_MAX ? this.flush() : ok(null);
  }

  #seal(open: Open): void {
    open.entries = 0;
    if (open.pending.length === 0) return;
    this.#ready.push({ of: open, lines: [open.first, ...open.pending], after: open.before });
    // It goes along with each slice.
    this.#bytes += sizeOf(open.first.line);
    open.pending = [];
  }

  /** Sends all that is there. @returns why nothing can be sent any more. */
  async flush(): Promise<Result<null, string>> {
    for (const open of this.#open.values()) this.#seal(open);
    const slices = this.#ready;
    this.#ready = [];
    this.#bytes = 0;
    for (let from = 0; from < slices.length; from += SLICES_MAX) {
      const some = slices.slice(from, from + SLICES_MAX).filter(({ of }) => !of.isBad);
      const sent = some.length === 0 ? ok(null) : await this.#send(some);
      if (!sent.ok) return sent;
    }
    for (const { lines } of slices) this.#parts.onLines(lines.length - 1);
    for (const [conversation, { isEnded }] of [...this.#open]) if (isEnded) this.#open.delete(conversation);
    return ok(null);
  }

  async #send(slices: readonly Slice[], announced: string | null = null): Promise<Result<null, string>> {
    const { api } = this.#parts;
    for (let [left, attempt] = [slices, 1]; left.length > 0; attempt += 1) {
      const answer = await askSteadily(api, {
        path: '/api/v1/import',
        isAnswer: isResults,
        body: bodyOf(left, announced),
      });
      if (!answer.ok) return err(answer.error.message);
      const noted = await this.#note(left, answer.value.results);
      if (!noted.ok) return noted;
      const { again, why } = noted.value;
      if (again.length > 0 && attempt === ATTEMPTS_MAX) return err(why);
      if (again.length > 0) await waitBefore(api, attempt, why);
      if (again.length > 0 && api.terminal.interrupted.aborted)
        return err('It was interrupted; the same command goes on.');
      left = again;
    }
    return ok(null);
  }

  /** @returns what is to be sent again, and why. */
  async #note(slices: readonly Slice[], results: readonly SliceResult[]): Promise<Result<Again, string>> {
    const again: Slice[] = [];
    const held = new Set<Open>();
    let why = '';
    for (const [index, slice] of slices.entries()) {
      const result = results[index];
      if (result === undefined) return err('the server did not say what became of all that it was sent');
      const { of } = slice;
      if (!result.ok) {
        // Behind the first one, what follows on it is refused, too.
        if (held.has(of) || (!of.isBad && result.error.retry === 'later')) {
          if (!held.has(of)) why = result.error.message;
          held.add(of);
          again.push(slice);
          continue;
        }
        if (!of.isBad) this.fault((slice.lines[result.line ?? 0] ?? of.first).number, result.error.message);
        of.isBad = true;
        continue;
      }
      of.seq = result.seq;
      if (result.announced !== null) {
        const told = await this.#send([slice], result.announced);
        if (!told.ok) return told;
      } else if (result.done && !of.isDone) {
        of.isDone = true;
        this.done += 1;
      }
    }
    return ok({ again, why });
  }
}
