import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dockerIgnore, nodeImage, parseDockerfile } from './lib/dockerfile.mjs';
import { inRoot } from './lib/paths.mjs';
import { configOf, dockerImage, dockerStages, namesUnread, openPaths, secretsInTheOpen } from './testing/served.ts';

describe('a Dockerfile', () => {
  it('is read with its comments, its continued lines and both forms of a command', () => {
    const text = [
      '# syntax',
      'FROM node:24.1.0-trixie-slim AS build',
      'WORKDIR /app',
      'COPY . .',
      'RUN one \\',
      '  # in between',
      '  && two',
      'FROM node:24.1.0-trixie-slim',
      'ENV A=1 B=two',
      'COPY --from=build /app/x /app/y ./z/',
      'USER 1000:1000',
      'EXPOSE 1 2',
      'HEALTHCHECK --interval=1s CMD ["ask", "me"]',
      'CMD ["serve"]',
    ].join('\n');
    const [build, image] = parseDockerfile(text);
    expect(build).toMatchObject({ image: 'node:24.1.0-trixie-slim', name: 'build' });
    expect(build?.steps).toEqual([
      { instruction: 'WORKDIR', folder: '/app' },
      { instruction: 'COPY', from: null, sources: ['.'], target: '.' },
      { instruction: 'RUN', command: ['/bin/sh', '-c', 'one && two'] },
    ]);
    expect(image).toEqual({
      image: 'node:24.1.0-trixie-slim',
      name: null,
      steps: [{ instruction: 'COPY', from: 'build', sources: ['/app/x', '/app/y'], target: './z/' }],
      env: { A: '1', B: 'two' },
      user: '1000:1000',
      ports: [1, 2],
      healthcheck: ['ask', 'me'],
      command: ['serve'],
    });
  });

  it.each(['FROM a\nADD x y', 'FROM a\nCOPY --chown=1 x y', 'FROM a\nRUN --mount=type=cache x', 'COPY --from=b x y'])(
    'is refused when a step is not understood: %j',
    (text) => expect(() => parseDockerfile(text)).toThrow(),
  );

  it('has its context without what .dockerignore names', () => {
    const isIgnored = dockerIgnore('dist\n**/node_modules\n*.log\n**/*.tmp\n');
    const paths = ['dist', 'dist/a', 'libs/a/node_modules/b', 'node_modules', 'a.log', 'a/b.tmp'];
    expect(paths.filter((path) => !isIgnored(path))).toEqual([]);
    expect(['distant', 'libs/dist', 'libs/a.log', 'a.tmp.ts'].filter(isIgnored)).toEqual([]);
  });
});

describe('docker/Dockerfile', () => {
  it('takes one fixed version of Node for every stage, one that Millrace runs on', () => {
    const versions = new Set(dockerStages.map(({ image }) => nodeImage(image).node));
    expect(versions.size).toBe(1);
    expect(Number([...versions][0]?.split('.')[0])).toSatisfy((major: number) => major >= 20 && major < 25);
  });

  it('installs what the lock file names and nothing else', () => {
    const commands = dockerStages.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.instruction === 'RUN' ? [step.command.join(' ')] : [])),
    );
    expect(commands.some((command) => /\bnpm ci\b/.test(command))).toBe(true);
    expect(commands.filter((command) => /\bnpm (i|install|update)\b|\bnpx\b|\bcurl\b|\bapt/.test(command))).toEqual([]);
  });

  it('has nothing of the sources, of Git or of the secrets in the image', () => {
    const isIgnored = dockerIgnore(readFileSync(inRoot('.dockerignore'), 'utf8'));
    const unwanted = ['.git/config', '.millrace/dev-jwt-secret', 'docker/secrets/jwt-secret', 'libs/a/node_modules/b'];
    expect(unwanted.filter((path) => !isIgnored(path))).toEqual([]);
    const copied = dockerImage().steps.flatMap((step) => (step.instruction === 'COPY' ? [step] : []));
    expect(copied.filter(({ from }) => from === null)).toEqual([]);
    expect(copied.flatMap(({ sources }) => sources).filter((path) => /\/(apps|libs|scripts|dist)$/.test(path))).toEqual(
      [],
    );
  });

  it('runs as a user whom Kubernetes can tell from root', () => {
    expect(dockerImage().user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('sets only what the server reads, and no secret', () => {
    const { env } = dockerImage();
    expect(namesUnread(env)).toEqual([]);
    expect(secretsInTheOpen(env)).toEqual([]);
  });

  it('exposes the ports that the server listens on by default, where others can reach them', () => {
    const { config, complaints } = configOf({
      REDIS_URL: 'redis://redis',
      MILLRACE_JWT_SECRET_FILE: '/a',
      MILLRACE_API_KEYS_FILE: '/b',
    });
    expect(complaints).toEqual([]);
    expect(config?.host).toBe('0.0.0.0');
    expect(dockerImage().ports).toEqual([config?.port, config?.socketPort]);
  });

  it('asks for its health by Node itself, at an address that is served, on the port that is set', () => {
    const { healthcheck, ports } = dockerImage();
    expect(healthcheck?.slice(0, 2)).toEqual(['node', '-e']);
    const [, port, path] =
      /127\.0\.0\.1:\$\{process\.env\.MILLRACE_PORT \|\| (\d+)\}(\/\w+)/.exec(healthcheck?.[2] ?? '') ?? [];
    expect(Number(port)).toBe(ports[0]);
    expect(openPaths()).toContain(path);
  });
});
