import { parseArgs, type ParseArgsConfig } from 'node:util';
import { err, ok, type Result } from '@millrace/kernel';
import type { Environment } from './environment.ts';
import type { Terminal } from './terminal.ts';

/** What a command ends with: 0 all is well, 1 it is not, 2 it was not understood. */
export const exitCode = { done: 0, failed: 1, misused: 2 } as const;

export interface OptionSpec {
  readonly name: string;
  /** What stands for its value in the help; absent for a switch. */
  readonly value?: string;
  /** May be given several times. */
  readonly several?: boolean;
  readonly help: string;
}

export interface Context {
  readonly terminal: Terminal;
  readonly environment: Environment;
}

/** The words and options that a command was called with. */
export interface Args {
  readonly words: readonly string[];
  /** Its last value. */
  text(name: string): string | undefined;
  /** All values of one that may be given several times. */
  texts(name: string): readonly string[];
  flag(name: string): boolean;
}

export interface Command {
  readonly name: string;
  /** What follows the name: `FILE [options]`. */
  readonly usage: string;
  readonly summary: string;
  /** Paragraphs of the help. */
  readonly description: readonly string[];
  readonly options: readonly OptionSpec[];
  /** @returns the exit code. Errors of the world are told to the user here; only bugs are thrown. */
  run(args: Args, context: Context): Promise<number>;
}

const HELP: OptionSpec = { name: 'help', help: 'Shows this help.' };

export function parseCommandLine(command: Command, argv: readonly string[]): Result<Args, string> {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const { name, value, several = false } of [...command.options, HELP]) {
    options[name] = { type: value === undefined ? 'boolean' : 'string', multiple: several };
  }
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    const texts = (name: string): readonly string[] => {
      return [values[name] ?? []].flat().filter((value) => typeof value === 'string');
    };
    return ok({
      words: positionals,
      text: (name) => texts(name).at(-1),
      texts,
      flag: (name) => values[name] === true,
    });
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

const WIDTH = 96;

/** Breaks a text into lines of at most `width` characters, each begun with `indent`. */
export function wrapped(text: string, indent: string, width = WIDTH): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line];
}

export function helpOf(command: Command): string {
  const lines = [`Usage: millrace ${command.name} ${command.usage}`.trimEnd(), ''];
  for (const paragraph of command.description) lines.push(...wrapped(paragraph, ''), '');
  lines.push('Options:');
  for (const { name, value, help } of [...command.options, HELP]) {
    lines.push(`  --${name}${value === undefined ? '' : ` ${value}`}`, ...wrapped(help, '        '));
  }
  return lines.join('\n');
}

/** A whole number from an option, or what is wrong with it. */
export function wholeNumber(
  args: Args,
  name: string,
  range: { from: number; to: number },
): Result<number | undefined, string> {
  const text = args.text(name);
  if (text === undefined) return ok(undefined);
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= range.from && value <= range.to) return ok(value);
  return err(`--${name} must be a whole number from ${range.from} to ${range.to}, got "${text}".`);
}
