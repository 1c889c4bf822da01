import { pino, type DestinationStream } from 'pino';
import type { ServerConfig } from './server-config.ts';

export interface ServerLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Fields that may hold what nobody should read in a log, at any depth that our own code logs. */
const SECRET_FIELDS = [
  'token',
  'jwt',
  'secret',
  'password',
  'apiKey',
  'authorization',
  'Authorization',
  'cookie',
  'body',
  'bodyBase64',
  'redisUrl',
];
const DEPTHS = ['', '*.', '*.*.', '*.*.*.'];

const levelNames: Readonly<Record<number, string>> = {
  20: 'debug',
  30: 'info ',
  40: 'warn ',
  50: 'error',
  60: 'fatal',
};

const shown = (value: unknown): string => {
  if (typeof value !== 'string') return JSON.stringify(value);
  if (value.includes('\n')) return `\n    ${value.replaceAll('\n', '\n    ')}`;
  return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
};

/** One line for people: time, level, who when there are several, message, then what else there is to it. */
export function textLine(json: string, who = ''): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`);
  return `${clock} ${levelNames[Number(level)] ?? 'log  '} ${who}${String(msg)}${rest.join('')}\n`;
}

/**
 * The log of the process, redacted.
 *
 * @param who - the name that text lines begin with, where several processes write to one place; JSON always has it.
 * @param out - takes whole lines; in production a file descriptor's stream, in tests an array.
 */
export function createLog(
  config: Pick<ServerConfig, 'logLevel' | 'logFormat' | 'nodeName'>,
  out: DestinationStream,
  who: string | null = null,
): ServerLog {
  const isText = config.logFormat === 'text';
  const logger = pino(
    {
      level: config.logLevel,
      base: isText ? null : { node: config.nodeName },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: DEPTHS.flatMap((depth) => SECRET_FIELDS.map((field) => depth + field)), censor: '[redacted]' },
    },
    isText ? { write: (line: string) => out.write(textLine(line, who === null ? '' : `${who}  `)) } : out,
  );
  return {
    debug: (message, fields = {}) => {
      logger.debug(fields, message);
    },
    info: (message, fields = {}) => {
      logger.info(fields, message);
    },
    warn: (message, fields = {}) => {
      logger.warn(fields, message);
    },
    error: (message, fields = {}) => {
      logger.error(fields, message);
    },
  };
}
