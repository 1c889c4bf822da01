import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
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

describe.each(['docs/message-path.md', 'docs/invariants.md', 'docs/cluster.md', 'docs/node-streams.md'])(
  '%s',
  (document) => {
    it('names only files that are there', () => {
      const names = pathsIn(readFileSync(document, 'utf8'));
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => !exists(name))).toEqual([]);
    });
  },
);
