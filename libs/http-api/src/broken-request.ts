import type { Socket } from 'node:net';
import { frameError, type FrameError } from '@millrace/protocol';

interface BrokenRequest {
  readonly code?: string;
}

function refusalOf(code: string | undefined): { readonly line: string; readonly error: FrameError } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { line: '408 Request Timeout', error: frameError('bad_request', 'the request took too long to arrive') };
    case 'HPE_HEADER_OVERFLOW':
      return {
        line: '431 Request Header Fields Too Large',
        error: frameError('too_large', 'the headers are too long'),
      };
    default:
      return { line: '400 Bad Request', error: frameError('bad_request', 'this is not HTTP/1.1') };
  }
}

/** Answers what never became a request, in the API's error form, and closes the socket. */
export function answerBrokenRequest(broken: BrokenRequest, socket: Socket): void {
  if (broken.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { line, error } = refusalOf(broken.code);
  const body = JSON.stringify({ error });
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${String(Buffer.byteLength(body))}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
