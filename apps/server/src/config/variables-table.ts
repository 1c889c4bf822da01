import type { Variable } from './variable.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** The table of docs/configuration.md, which a test holds to this. */
export function variablesTable(variables: Readonly<Record<string, Variable<unknown>>>): readonly string[] {
  const rows = Object.values(variables).map(({ name, defaultText, allowed, about, secret }) =>
    [`\`${name}\``, defaultText, allowed, secret ? `${about} Secret: never logged.` : about].map(cell),
  );
  return [['Variable', 'Default', 'Allowed', 'What it does'], ['---', '---', '---', '---'], ...rows].map(
    (row) => `| ${row.join(' | ')} |`,
  );
}
