import './lib/require-node.mjs';

// The parts of dockerfile-steps.sh that need to read the Dockerfile. They run as root, in mounts of their own.
const { readFileSync } = await import('node:fs');
const { join } = await import('node:path');
const { ensureInstalled } = await import('./lib/install.mjs');
const { nodeImage, parseDockerfile } = await import('./lib/dockerfile.mjs');
const { inRoot } = await import('./lib/paths.mjs');

const [what, work = '', compose = ''] = process.argv.slice(2);
const stages = parseDockerfile(readFileSync(inRoot('docker/Dockerfile'), 'utf8'));
/** Where each stage's system is. @param {number} index */
const rootOf = (index) => join(work, String(index));

if (what === 'stages') {
  // The reader of YAML that `serve` needs is one of the packages of this clone.
  await ensureInstalled({ quiet: true });
  stages.forEach(({ image }, index) => {
    const { node, suite } = nodeImage(image);
    console.log(`${index} ${suite} ${node}`);
  });
} else if (what === 'build') {
  const { buildStages } = await import('./lib/dockerfile-build.mjs');
  const variables = (process.env['INSIDE'] ?? '').split('\n');
  const env = Object.fromEntries(
    variables.map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
  );
  buildStages(stages, rootOf, join(work, 'context'), readFileSync(inRoot('.dockerignore'), 'utf8'), env);
} else {
  const { serveImage } = await import('./lib/dockerfile-serve.mjs');
  const image = stages.at(-1);
  if (image === undefined) throw new Error('the Dockerfile has no stage');
  await serveImage(image, rootOf(stages.length - 1), compose, work);
}
