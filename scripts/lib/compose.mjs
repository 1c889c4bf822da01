import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { inRoot } from './paths.mjs';

/**
 * What this project reads of a service; the published schema says what else there may be.
 *
 * @typedef {{
 *   image: string,
 *   build?: unknown,
 *   command?: string | string[],
 *   entrypoint?: string[],
 *   environment?: Record<string, string | number>,
 *   secrets?: string[],
 *   ports?: string[],
 *   networks?: Record<string, { ipv4_address?: string }>,
 *   stop_grace_period?: string,
 *   read_only?: boolean,
 *   cap_drop?: string[],
 *   security_opt?: string[],
 * }} Service
 * @typedef {{
 *   services: Record<string, Service>,
 *   secrets?: Record<string, { file?: string }>,
 *   networks?: unknown,
 *   volumes?: unknown,
 * }} ComposeFile
 */

/** A file of docker/, its anchors and merges resolved as Compose does it. @param {string} path @returns {ComposeFile} */
export const readCompose = (path) => parse(readFileSync(inRoot(path), 'utf8'), { merge: true });

/** The words of a command that is one text, split as Compose splits it. @param {Service} service @returns {string[]} */
export function commandWords({ command = '' }) {
  // A dollar that is not Compose's own is written twice.
  const plain = (/** @type {string} */ word) => word.replaceAll('$$', '$');
  if (Array.isArray(command)) return command.map(plain);
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => plain(quoted ?? word ?? ''));
}

/** Services that run the image of docker/Dockerfile. @param {ComposeFile} file */
export const millraceServices = ({ services }) =>
  Object.entries(services).filter(([, { build }]) => build !== undefined);

/** Services that are a Redis server, not those that only use its image. @param {ComposeFile} file */
export const redisServices = ({ services }) =>
  Object.entries(services).filter(([, service]) => commandWords(service)[0] === 'redis-server');

/** @param {string | undefined} text - as `40s` */
export const secondsOf = (text) => Number(/^(\d+)s$/.exec(text ?? '')?.[1] ?? Number.NaN);
