import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { variables } from '../apps/server/src/config/variables.ts';
import { faults } from './faults/faults.ts';
import { sourceFiles } from './lib/source-files.mjs';

const files = sourceFiles();

/** Whether a name in a document is that of a file or folder of the project, whole or by its end. */
const exists = (name: string): boolean => {
  const plain = name.replace(/\/$/, '');
  return files.some((path) => path === plain || path.endsWith(`/${plain}`) || path.includes(`${plain}/`));
};

/** What is set as code and looks like a path. */
const pathsIn = (text: string): readonly string[] =>
  [...text.matchAll(/`([\w@./-]+)`/g)]
    .map(([, name = '']) => name)
    .filter((name) => !name.startsWith('.'))
    .filter((name) => /\.(ts|lua|md|yaml|json|mjs|sh)$/.test(name) || /^(libs|apps|scripts|docs|docker)\//.test(name));

const DOCUMENTS = [
  'archive',
  'backup',
  'message-path',
  'invariants',
  'cluster',
  'node-streams',
  'deployment',
  'explain',
  'faults',
  'import-export',
  'loss',
  'search',
  'simulation',
].map((name) => `docs/${name}.md`);

describe.each(DOCUMENTS)('%s', (document) => {
  it('names only files that are there', () => {
    const names = pathsIn(readFileSync(document, 'utf8'));
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !exists(name))).toEqual([]);
  });
});

describe('docs/faults.md', () => {
  it('names every fault that there is, with what it is', () => {
    const rows = [...readFileSync('docs/faults.md', 'utf8').matchAll(/^\| `([\w-]+)` +\| [^|]+\| [^|]+\| [^|]+\|$/gm)];
    expect(rows.map(([, name]) => name)).toEqual(faults.map(({ name }) => name));
  });
});

describe('docs/deployment.md', () => {
  const text = readFileSync('docs/deployment.md', 'utf8');

  it('names only variables that are there', () => {
    const named = new Set(text.match(/MILLRACE_[A-Z_]+/g));
    expect(named.size).toBeGreaterThan(0);
    const known = new Set<string>(Object.values(variables).map(({ name }) => name));
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });

  it('names only metrics that are there', () => {
    const sources = files.filter((path) => /^apps\/server\/src\/.*metrics\.ts$/.test(path));
    const source = sources.map((path) => readFileSync(path, 'utf8')).join('\n');
    const named = text.match(/`millrace_[a-z_]+`/g) ?? [];
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !source.includes(`'${name.slice(1, -1)}'`))).toEqual([]);
  });
});
