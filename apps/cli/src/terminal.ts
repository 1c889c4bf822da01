/** Where a command speaks to people. */
export interface Terminal {
  /** Results: standard output. */
  out(line: string): void;
  /** Everything else: standard error. */
  note(line: string): void;
  /** Shows `text` in place of the last status; one line, gone with the next output. Only when `isInteractive`. */
  status(text: string): void;
  /** Empties the screen when results go to one; else they are told apart by an empty line. */
  clear(): void;
  readonly isInteractive: boolean;
  readonly columns: number;
  /** Whether results go to a screen that shows marks. */
  readonly showsMarks?: boolean;
  /** Aborted at the first interrupt; a second one ends the process. */
  readonly interrupted: AbortSignal;
}

const CLEAR_LINE = '\r\u001b[K';
/** To the upper left, and empty from there on. What was scrolled away stays. */
const CLEAR_SCREEN = '\u001b[H\u001b[J';

/** The process's own terminal. */
export function systemTerminal(): Terminal {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // `millrace tail | head` ends when its reader does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  let statusShown = false;
  const clear = (): void => {
    if (statusShown) process.stderr.write(CLEAR_LINE);
    statusShown = false;
  };
  return {
    out(line) {
      clear();
      process.stdout.write(`${line}\n`);
    },
    note(line) {
      clear();
      process.stderr.write(`${line}\n`);
    },
    status(text) {
      if (!process.stderr.isTTY) return;
      statusShown = true;
      process.stderr.write(`${CLEAR_LINE}${text.slice(0, Math.max(20, process.stderr.columns - 1))}`);
    },
    clear() {
      clear();
      process.stdout.write(process.stdout.isTTY ? CLEAR_SCREEN : '\n');
    },
    isInteractive: process.stderr.isTTY,
    showsMarks: process.stdout.isTTY,
    columns: process.stderr.isTTY ? process.stderr.columns : 100,
    interrupted: interrupt.signal,
  };
}
