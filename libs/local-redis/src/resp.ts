import { connect } from 'node:net';
import { err, ok, type Result } from '@millrace/kernel';

/** A RESP2 reply. An error reply inside of an array is an `Error` there. */
export type RedisReply = string | number | null | Error | readonly RedisReply[];

export interface RespError {
  /** `refused`: Redis answered with an error; `unreachable`: no connection, or it ended before the reply. */
  readonly code: 'refused' | 'unreachable';
  readonly message: string;
}

/** Where a Redis listens: a loopback port or a unix socket. */
export type RedisEndpoint = { readonly port: number } | { readonly unixSocket: string };

const REPLY_BYTES_MAX = 16 * 1024 * 1024;
const CRLF = '\r\n';

/** @returns the reply at `at` and where the next one begins, or undefined while bytes are missing. */
function parseReply(bytes: Buffer, at: number): { reply: RedisReply; next: number } | undefined {
  const lineEnd = bytes.indexOf(CRLF, at, 'latin1');
  if (lineEnd < 0) return undefined;
  const kind = String.fromCharCode(bytes[at] ?? 0);
  const line = bytes.toString('utf8', at + 1, lineEnd);
  const afterLine = lineEnd + 2;
  switch (kind) {
    case '+':
      return { reply: line, next: afterLine };
    case '-':
      return { reply: new Error(line), next: afterLine };
    case ':':
      return { reply: Number(line), next: afterLine };
    case '$': {
      const length = Number(line);
      if (length < 0) return { reply: null, next: afterLine };
      if (bytes.length < afterLine + length + 2) return undefined;
      return { reply: bytes.toString('utf8', afterLine, afterLine + length), next: afterLine + length + 2 };
    }
    case '*': {
      const count = Number(line);
      if (count < 0) return { reply: null, next: afterLine };
      const items: RedisReply[] = [];
      let next = afterLine;
      while (items.length < count) {
        const item = parseReply(bytes, next);
        if (item === undefined) return undefined;
        items.push(item.reply);
        next = item.next;
      }
      return { reply: items, next };
    }
    default:
      return { reply: new Error(`not a RESP reply: ${kind}${line}`), next: bytes.length };
  }
}

/**
 * Sends one command on a connection of its own and reads its reply: enough to start, ask and stop a Redis,
 * not a client for anything else. A peer that stays silent for `silenceMsMax` counts as unreachable.
 */
export function callRedis(
  endpoint: RedisEndpoint,
  args: readonly (string | number)[],
  silenceMsMax = 5_000,
): Promise<Result<RedisReply, RespError>> {
  return new Promise((resolve) => {
    const socket = connect(
      'port' in endpoint ? { host: '127.0.0.1', port: endpoint.port } : { path: endpoint.unixSocket },
    );
    let received = Buffer.alloc(0);
    const finish = (outcome: Result<RedisReply, RespError>): void => {
      socket.destroy();
      resolve(outcome);
    };
    const unreachable = (message: string): void => {
      finish(err({ code: 'unreachable', message }));
    };
    socket.setTimeout(silenceMsMax, () => {
      unreachable(`Redis did not answer ${String(args[0])} within ${String(silenceMsMax)} ms`);
    });
    socket.on('error', (error) => {
      unreachable(error.message);
    });
    socket.on('close', () => {
      unreachable(`the connection ended before the reply to ${String(args[0])}`);
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const parsed = parseReply(received, 0);
      if (parsed === undefined) {
        if (received.length > REPLY_BYTES_MAX) unreachable(`the reply is over ${String(REPLY_BYTES_MAX)} bytes`);
        return;
      }
      if (parsed.reply instanceof Error) finish(err({ code: 'refused', message: parsed.reply.message }));
      else finish(ok(parsed.reply));
    });
    const words = args.map(String);
    const encoded = words.map((word) => `$${String(Buffer.byteLength(word))}${CRLF}${word}${CRLF}`).join('');
    socket.write(`*${String(words.length)}${CRLF}${encoded}`);
  });
}

/** Reads `name:value` out of an INFO reply. */
export function infoField(info: RedisReply, name: string): string | undefined {
  if (typeof info !== 'string') return undefined;
  const line = info.split(CRLF).find((candidate) => candidate.startsWith(`${name}:`));
  return line?.slice(name.length + 1);
}
