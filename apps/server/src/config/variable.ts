import { z } from 'zod';

/** One environment variable: how it is read, and what is told of it. `Out` is what a given or default text becomes. */
export interface Variable<Out> {
  readonly name: string;
  /** What it does, for docs/configuration.md. */
  readonly about: string;
  /** The allowed range, in words: used in the docs and in the error. */
  readonly allowed: string;
  /** The default, in words; the text itself when `defaultText` is set. */
  readonly defaultText: string;
  /** Its value must not be shown anywhere. */
  readonly secret: boolean;
  /** From the text of the environment. An absent or empty variable is read as null. */
  readonly schema: z.ZodType<Out, string | null>;
}

interface Told {
  readonly about: string;
  readonly secret?: boolean;
}

const textOr = (fallback: string) => (text: string | null) => text ?? fallback;

function make<Out>(name: string, told: Told, allowed: string, defaultText: string, schema: Variable<Out>['schema']) {
  return { name, about: told.about, allowed, defaultText, secret: told.secret ?? false, schema };
}

export function oneOf<const Choice extends string>(
  name: string,
  choices: readonly [Choice, ...Choice[]],
  fallback: Choice,
  told: Told,
): Variable<Choice> {
  const schema = z.string().nullable().transform(textOr(fallback)).pipe(z.enum(choices)) as Variable<Choice>['schema'];
  return make(name, told, choices.map((choice) => `\`${choice}\``).join(', '), `\`${fallback}\``, schema);
}

const digits = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
const grouped = (value: number): string => value.toLocaleString('en-US');

export function wholeNumber(
  name: string,
  [min, max]: readonly [number, number],
  fallback: number,
  told: Told,
): Variable<number> {
  const schema = z
    .string()
    .nullable()
    .transform((text) => digits(text ?? String(fallback)))
    .pipe(z.number().int().min(min).max(max)) as Variable<number>['schema'];
  return make(name, told, `a whole number from ${grouped(min)} to ${grouped(max)}`, `\`${String(fallback)}\``, schema);
}

/** A whole number whose default follows from something else. */
export function optionalWholeNumber(
  name: string,
  [min, max]: readonly [number, number],
  defaultText: string,
  told: Told,
): Variable<number | null> {
  const schema = z
    .string()
    .nullable()
    .transform((text) => (text === null ? null : digits(text)))
    .pipe(z.number().int().min(min).max(max).nullable()) as Variable<number | null>['schema'];
  return make(name, told, `a whole number from ${grouped(min)} to ${grouped(max)}`, defaultText, schema);
}

export function yesOrNo(name: string, fallback: boolean, told: Told): Variable<boolean> {
  const schema = z
    .string()
    .nullable()
    .transform(textOr(fallback ? 'yes' : 'no'))
    .pipe(z.enum(['yes', 'no']))
    .transform((text) => text === 'yes') as Variable<boolean>['schema'];
  return make(name, told, '`yes`, `no`', fallback ? '`yes`' : '`no`', schema);
}

/** A text that may be absent. `accept` decides, `allowed` says so in words. */
export function optionalText(
  name: string,
  allowed: string,
  accept: (text: string) => boolean,
  told: Told,
  defaultText = 'not set',
): Variable<string | null> {
  const schema = z.string().refine(accept).nullable() as Variable<string | null>['schema'];
  return make(name, told, allowed, defaultText, schema);
}

export function text(
  name: string,
  allowed: string,
  accept: (text: string) => boolean,
  fallback: string,
  told: Told,
): Variable<string> {
  const schema = z.string().nullable().transform(textOr(fallback)).pipe(z.string().refine(accept));
  return make(name, told, allowed, fallback === '' ? 'empty' : `\`${fallback}\``, schema as Variable<string>['schema']);
}

/** Values between commas, each checked; absent is the empty list. */
export function list(
  name: string,
  allowed: string,
  accept: (text: string) => boolean,
  told: Told,
  defaultText = 'none',
): Variable<readonly string[]> {
  const schema = z
    .string()
    .nullable()
    .transform((value) =>
      (value ?? '')
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(z.string().refine(accept))) as unknown as Variable<readonly string[]>['schema'];
  return make(name, told, `${allowed}, several between commas`, defaultText, schema);
}

function shown(variable: Variable<unknown>, value: string): string {
  if (variable.secret) return `a value of ${String(value.length)} characters, not shown`;
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}

/** The value, or a sentence that names the variable, what it was set to (never a secret) and the allowed range. */
export function readVariable<Out>(
  variable: Variable<Out>,
  env: Readonly<Record<string, string | undefined>>,
): { readonly value: Out } | { readonly problem: string } {
  const given = env[variable.name];
  const parsed = variable.schema.safeParse(given === undefined || given === '' ? null : given);
  if (parsed.success) return { value: parsed.data };
  return { problem: `${variable.name} is ${shown(variable, given ?? '')}; allowed is ${variable.allowed}` };
}
