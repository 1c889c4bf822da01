import { parseArgs, type ParseArgsConfig } from 'node:util';

type Described = NonNullable<ParseArgsConfig['options']>;
type Values<Options extends Described> = ReturnType<typeof parseArgs<{ options: Options }>>['values'];

/** Ends the script over what it was asked: nothing was done. */
export function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

/**
 * The options of a script. `--help` tells `help` and ends it; what it does not know ends it with what there is.
 *
 * @param help - the whole text, for people.
 */
export function optionsOf<const Options extends Described>(help: string, options: Options): Values<Options> {
  const known = { ...options, help: { type: 'boolean', default: false } } as const;
  let values: Values<Options> & { readonly help?: boolean };
  try {
    values = parseArgs({ options: known }).values;
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  }
  if (values.help === true) {
    process.stdout.write(`${help}\n`);
    process.exit(0);
  }
  return values;
}

/** A whole number from `least` to `most`, or the end of the script. */
export function whole(
  name: string,
  text: string,
  [least, most]: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER],
): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${String(least)}` : `from ${String(least)} to ${String(most)}`;
  return refuse(`--${name} must be a whole number ${range}, got ${JSON.stringify(text)}`);
}
