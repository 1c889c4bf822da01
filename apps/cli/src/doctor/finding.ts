/** What one check came to: `fail` keeps Millrace from working, `warn` should be known. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** What to do; absent when all is well. */
  readonly advice?: string;
}

export const fine = (what: string): Finding => ({ level: 'ok', what });
export const warn = (what: string, advice: string): Finding => ({ level: 'warn', what, advice });
export const fail = (what: string, advice: string): Finding => ({ level: 'fail', what, advice });

export function findingLines({ level, what, advice }: Finding): string[] {
  const first = `${level.padEnd(4)}  ${what}`;
  return advice === undefined ? [first] : [first, `      → ${advice}`];
}
