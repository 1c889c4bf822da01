import { readFileSync, readdirSync } from 'node:fs';

const names = (folder) =>
  readdirSync(folder).map((name) => {
    const manifest = JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8'));
    return manifest.nx.name;
  });

/** `type(scope): what`; a scope is the name of a lib or an app, or none where the whole workspace is meant. */
export default {
  extends: ['@commitlint/config-conventional'],
  rules: {
    'scope-enum': [2, 'always', [...names('libs'), ...names('apps'), 'deps', 'docs', 'scripts', 'ci', 'docker']],
    'subject-case': [0],
    'body-max-line-length': [0],
    'footer-max-line-length': [0],
  },
};
