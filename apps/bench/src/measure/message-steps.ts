import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import type { CallFrame } from './cpu-profile.ts';

/** The steps of a message on its way, as docs/message-path.md has them, by the sources that do them. */
const STEPS: readonly (readonly [source: RegExp, step: string])[] = [
  [/libs\/gateway\/src\/engine\//, 'sockets: in and out'],
  [/libs\/protocol\//, 'frames and entries: read and made'],
  [/libs\/gateway\/src\/inbound\//, 'gateway: what comes in'],
  [/libs\/gateway\//, 'gateway: what goes out'],
  [/libs\/messaging\/src\/conversation\//, 'conversation actors'],
  [/libs\/messaging\/src\/user\//, 'user actors'],
  [/libs\/messaging\/src\/diffuse\//, 'diffusion'],
  [/libs\/messaging\/src\/live\//, 'live: conversations that are pulled'],
  [/libs\/messaging\/src\/trace\//, 'trace'],
  [/libs\/messaging\//, 'routing, and what is told of commits'],
  [/libs\/(partition|actor)\//, 'partitions: batches and mailboxes'],
  [/libs\/redis-store\/|node_modules\/(ioredis|redis-parser|@ioredis)\//, 'store: commits packed and sent'],
  [/apps\/server\/|node_modules\/prom-client\//, 'metrics and the rest of the server'],
];

/** @param bundle - of the server, beside which its source map is: sources are looked up there. */
export function stepsOfBundle(bundle: string): (frame: CallFrame) => string | null {
  const map = new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, 'utf8')) as SourceMapPayload);
  const sourceOf = ({ url, lineNumber, columnNumber }: CallFrame): string => {
    if (!url.endsWith(bundle)) return url;
    const entry = map.findEntry(lineNumber, columnNumber);
    return 'originalSource' in entry ? entry.originalSource : '';
  };
  return (frame) => {
    const source = frame.url === '' ? '' : sourceOf(frame);
    return STEPS.find(([pattern]) => pattern.test(source))?.[1] ?? null;
  };
}
