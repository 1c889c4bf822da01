import { STATUS_CODES } from 'node:http';

/** `403 Forbidden`. */
export const statusLine = (status: number): string => `${String(status)} ${STATUS_CODES[status] ?? 'Refused'}`;

export const NOT_A_SOCKET = 'This port speaks WebSocket only: upgrade the connection.\n';

/** A whole HTTP answer, for a connection that is not handed to a server's response object. */
export function httpRefusal(status: number, message: string, retryAfterS?: number): string {
  const body = `${message}\n`;
  return [
    `HTTP/1.1 ${statusLine(status)}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    ...(retryAfterS === undefined ? [] : [`Retry-After: ${String(retryAfterS)}`]),
    '',
    body,
  ].join('\r\n');
}

/** The names of a `Sec-WebSocket-Protocol` header. */
export function offeredProtocols(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
