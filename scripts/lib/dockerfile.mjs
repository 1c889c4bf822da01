/**
 * What of a Dockerfile can be told without a container engine. It knows the instructions that docker/Dockerfile uses
 * and throws on any other: a step that is not understood must not be left out silently.
 *
 * @typedef {{ instruction: 'WORKDIR', folder: string }} WorkdirStep
 * @typedef {{ instruction: 'COPY', from: string | null, sources: readonly string[], target: string }} CopyStep
 * @typedef {{ instruction: 'RUN', command: readonly string[] }} RunStep
 * @typedef {WorkdirStep | CopyStep | RunStep} Step
 * @typedef {{
 *   image: string,
 *   name: string | null,
 *   steps: Step[],
 *   env: Record<string, string>,
 *   user: string,
 *   ports: number[],
 *   healthcheck: readonly string[] | null,
 *   command: readonly string[],
 * }} Stage
 */

/** Comments go, lines that end in a backslash are joined. @param {string} text */
function instructionsIn(text) {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  return lines
    .join('\n')
    .replace(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The exec form is JSON, the shell form is for `/bin/sh -c`. @param {string} rest @returns {readonly string[]} */
const commandOf = (rest) => (rest.startsWith('[') ? JSON.parse(rest) : ['/bin/sh', '-c', rest]);

/** @param {string} rest @returns {[Map<string, string>, string]} `--name=value` options, and what follows them */
function splitOptions(rest) {
  const options = new Map();
  let left = rest;
  for (let match; (match = /^--([a-z-]+)=(\S+)\s+/.exec(left)) !== null; left = left.slice(match[0].length)) {
    options.set(match[1], match[2]);
  }
  return [options, left];
}

/** @param {string} rest @param {readonly Stage[]} stages @returns {CopyStep} */
function copyStep(rest, stages) {
  const [options, left] = splitOptions(rest);
  const from = options.get('from') ?? null;
  options.delete('from');
  if (options.size > 0) throw new Error(`COPY --${[...options.keys()].join(', --')} is not understood`);
  if (from !== null && !stages.some(({ name }) => name === from)) throw new Error(`there is no stage ${from}`);
  const words = left.split(/\s+/);
  const target = words.pop() ?? '';
  return { instruction: 'COPY', from, sources: words, target };
}

/** @param {string} rest @returns {Stage} */
function stageOf(rest) {
  const match = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest);
  if (match === null) throw new Error(`FROM ${rest} is not understood`);
  const [, image = '', name = null] = match;
  return { image, name, steps: [], env: {}, user: 'root', ports: [], healthcheck: null, command: [] };
}

/** @param {Stage} stage @param {string} instruction @param {string} rest @param {readonly Stage[]} stages */
function apply(stage, instruction, rest, stages) {
  switch (instruction) {
    case 'WORKDIR':
      return stage.steps.push({ instruction, folder: rest });
    case 'COPY':
      return stage.steps.push(copyStep(rest, stages));
    case 'RUN':
      if (rest.startsWith('--')) throw new Error(`RUN ${rest} is not understood`);
      // Later steps see what was set before them; a RUN after ENV or USER would need both.
      if (stage.user !== 'root') throw new Error('RUN after USER is not understood');
      return stage.steps.push({ instruction, command: commandOf(rest) });
    case 'ENV':
      for (const [, name = '', value = ''] of rest.matchAll(/(\w+)=(\S*)/g)) stage.env[name] = value;
      return;
    case 'USER':
      stage.user = rest;
      return;
    case 'EXPOSE':
      stage.ports.push(...rest.split(/\s+/).map(Number));
      return;
    case 'HEALTHCHECK': {
      const [, left] = splitOptions(rest);
      stage.healthcheck = commandOf(left.replace(/^CMD\s+/, ''));
      return;
    }
    case 'CMD':
      stage.command = commandOf(rest);
      return;
    default:
      throw new Error(`${instruction} is not understood`);
  }
}

/** @param {string} text @returns {Stage[]} in their order; the last one is the image */
export function parseDockerfile(text) {
  /** @type {Stage[]} */
  const stages = [];
  for (const line of instructionsIn(text)) {
    const [, instruction = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
    const stage = stages.at(-1);
    if (instruction === 'FROM') stages.push(stageOf(rest));
    else if (stage === undefined) throw new Error(`${instruction} before FROM`);
    else apply(stage, instruction, rest, stages);
  }
  return stages;
}

/** What a tag of the official Node image says. @param {string} image */
export function nodeImage(image) {
  const match = /^node:(\d+\.\d+\.\d+)-([a-z]+)-slim$/.exec(image);
  if (match === null) throw new Error(`${image} is not a fixed version of Node on a slim Debian`);
  const [, node = '', suite = ''] = match;
  return { node, suite };
}

/**
 * The test for what .dockerignore leaves out: patterns are anchored at the root, `*` stays within a folder, `**` does
 * not, and a folder that matches goes with what is below it.
 *
 * @param {string} text
 * @returns {(path: string) => boolean}
 */
export function dockerIgnore(text) {
  const patterns = text.split('\n').map((line) => line.trim());
  if (patterns.some((line) => line.startsWith('!'))) throw new Error('an exception in .dockerignore is not understood');
  const expressions = patterns
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) =>
      line
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replace(/\*\*\/|\*|\?/g, (wild) => (wild === '**/' ? '(?:.*/)?' : wild === '*' ? '[^/]*' : '[^/]')),
    )
    .map((source) => new RegExp(`^${source}(?:/|$)`));
  return (path) => expressions.some((expression) => expression.test(path));
}
