import { valueOf } from './stored-check.ts';

/** The texts of the messages of one run: each says who sent it and the how manyeth it is, and is told from every other. */
export class LiveTexts {
  readonly #run: string;
  readonly #bytes: number;

  /** @param bytes - the length of a text, when that is not too short for what it says. */
  constructor(run: string, bytes: number) {
    this.#run = run;
    this.#bytes = bytes;
  }

  textOf(sender: string, number: number): string {
    return `${this.#run} ${valueOf(sender, number)} `.padEnd(this.#bytes, '.');
  }

  /** `sender number` of a text of this run that came whole; any other body as it is, shortened. */
  valueOf(body: string | Uint8Array): string {
    if (typeof body !== 'string') return `${String(body.length)} bytes`;
    const [, sender = '', number = ''] = body.split(' ', 3);
    return body === this.textOf(sender, Number(number)) ? valueOf(sender, Number(number)) : body.slice(0, 120);
  }
}
