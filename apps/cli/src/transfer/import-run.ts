import { err, ok, type Result } from '@millrace/kernel';
import { linesOf, unreadable } from '../lines-of-file.ts';
import { headerProblem, type Line } from './file-lines.ts';
import { endProblem, isEntry, linkBehind, NO_ENTRIES } from './line-chain.ts';
import type { Importer } from './importer.ts';

function parsed(text: string): Line | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Line) : null;
  } catch {
    return null;
  }
}

const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** What the server takes of a line: the chain is the file's. */
function withoutChain(line: Line): Line {
  if (!('end' in line)) return line;
  const { chain: _chain, ...rest } = line;
  return rest;
}

/** The lines of an export, in the order of the file: conversation after conversation. */
class ExportReader {
  readonly #importer: Importer;
  #number = 0;
  /** The conversation that is under way; null behind its end, or behind a line that did not say which it is. */
  #current: string | null = null;
  /** Up to the last entry of it. */
  #link = NO_ENTRIES;
  #ended = 0;
  #footer: Line | null = null;
  readonly #onLines: (count: number) => void;

  constructor(importer: Importer, onLines: (count: number) => void) {
    this.#importer = importer;
    this.#onLines = onLines;
  }

  async take(text: string): Promise<Result<null, string>> {
    this.#number += 1;
    const line = parsed(text);
    if (this.#number === 1) {
      const problem = headerProblem(line);
      this.#onLines(1);
      return problem === null ? ok(null) : err(`line 1: ${problem}`);
    }
    if (line === null) return this.#spoilt(`this is no JSON object: ${shown(text)}`);
    if ('conversation' in line) return this.#begun(line);
    if (line['millrace'] === 'end') {
      this.#footer = line;
      return this.#alone();
    }
    if (this.#current === null) return this.#alone();
    if (isEntry(line)) this.#link = linkBehind(this.#link, text);
    const isLast = 'end' in line;
    const problem = isLast ? endProblem(line, this.#link) : null;
    if (problem !== null) {
      // The server may know which line it is; without its end nobody sees the conversation.
      const flushed = await this.#importer.flush();
      if (!flushed.ok) return flushed;
      if (!this.#importer.isBad(this.#current)) this.#importer.spoil(this.#current, this.#number, problem);
    }
    const added = await this.#importer.add(this.#current, withoutChain(line), this.#number, isLast);
    if (isLast) this.#over();
    return added;
  }

  #over(): void {
    this.#ended += 1;
    this.#current = null;
  }

  #alone(): Result<null, string> {
    this.#onLines(1);
    return ok(null);
  }

  #spoilt(message: string): Result<null, string> {
    if (this.#current === null) this.#importer.fault(this.#number, message);
    else this.#importer.spoil(this.#current, this.#number, message);
    return this.#alone();
  }

  #begun(line: Line): Result<null, string> {
    this.#cutOff();
    const conversation = String(line['conversation']);
    this.#link = NO_ENTRIES;
    if (this.#importer.begin(conversation, line, this.#number)) this.#current = conversation;
    else this.#importer.fault(this.#number, `${conversation} is in this file twice: leave out one of them`);
    return this.#alone();
  }

  #cutOff(): void {
    if (this.#current === null) return;
    this.#importer.spoil(
      this.#current,
      this.#number,
      `${this.#current} has no end line: it was cut off before this one`,
    );
    this.#over();
  }

  end(): void {
    this.#cutOff();
    if (this.#footer === null)
      this.#importer.fault(
        this.#number,
        'the file has no last line {"millrace":"end",…}: it was cut off; what is whole in it is imported',
      );
    else if (this.#footer['conversations'] !== this.#ended)
      this.#importer.fault(
        this.#number,
        `the file says ${String(this.#footer['conversations'])} conversations and has ${String(this.#ended)}`,
      );
  }
}

/** Imports a whole file. @returns why it had to stop before its end. */
export async function importExport(
  path: string,
  importer: Importer,
  onLines: (count: number) => void,
  interrupted: AbortSignal,
): Promise<Result<null, string>> {
  const reader = new ExportReader(importer, onLines);
  try {
    for await (const text of linesOf(path)) {
      const taken = await reader.take(text);
      if (!taken.ok) return taken;
      if (interrupted.aborted) return err('It was interrupted; the same command goes on.');
    }
  } catch (error) {
    const flushed = await importer.flush();
    return flushed.ok ? err(unreadable(path, error)) : flushed;
  }
  reader.end();
  return importer.flush();
}
