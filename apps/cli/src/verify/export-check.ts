import { err, ok, type Result } from '@millrace/kernel';
import { linesOf, unreadable } from '../lines-of-file.ts';
import { headerProblem, type Line } from '../transfer/file-lines.ts';
import { endProblem, isEntry, linkBehind, NO_ENTRIES } from '../transfer/line-chain.ts';

/** What a file has of one conversation. */
export interface ExportedChain {
  readonly conversation: string;
  readonly entries: number;
  readonly link: string;
}

export interface ExportCheck {
  readonly conversations: readonly ExportedChain[];
  /** What is wrong, with the number of its line. */
  readonly faults: readonly string[];
  /** Conversations whose end says nothing of a chain: written by an older program, or by hand. */
  readonly unbound: number;
}

function parsed(text: string): Line | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Line) : null;
  } catch {
    return null;
  }
}

/** Reads a whole export, and says whether its entries are those that were exported. Nobody is asked for that. */
export async function checkExport(
  path: string,
  onLines: (count: number) => void,
): Promise<Result<ExportCheck, string>> {
  const conversations: ExportedChain[] = [];
  const faults: string[] = [];
  let [number, unbound, isEnded] = [0, 0, false];
  // As a value of its own, for it is changed by `cutOff`, too.
  let open = null as ExportedChain | null;
  const cutOff = (): void => {
    if (open !== null) faults.push(`line ${String(number)}: ${open.conversation} has no end before it: it was cut off`);
    open = null;
  };
  try {
    for await (const text of linesOf(path)) {
      number += 1;
      onLines(1);
      const line = parsed(text);
      if (number === 1) {
        const problem = headerProblem(line);
        if (problem !== null) return err(`line 1: ${problem}`);
      } else if (line === null) faults.push(`line ${String(number)}: this is no JSON object`);
      else if ('conversation' in line) {
        cutOff();
        open = { conversation: String(line['conversation']), entries: 0, link: NO_ENTRIES };
      } else if (line['millrace'] === 'end') {
        cutOff();
        isEnded = true;
        if (line['conversations'] !== conversations.length)
          faults.push(
            `line ${String(number)}: ${String(line['conversations'])} conversations were exported, and here are ${String(conversations.length)}`,
          );
      } else if (open !== null && isEntry(line)) {
        open = { ...open, entries: open.entries + 1, link: linkBehind(open.link, text) };
      } else if (open !== null && 'end' in line) {
        const problem = endProblem(line, open.link);
        if (problem !== null) faults.push(`line ${String(number)}: ${problem}`);
        if (line['chain'] === undefined) unbound += 1;
        conversations.push(open);
        open = null;
      }
    }
  } catch (error) {
    return err(unreadable(path, error));
  }
  cutOff();
  if (!isEnded) faults.push('the file has no last line {"millrace":"end",…}: it was cut off');
  return ok({ conversations, faults, unbound });
}
