import { fromUtf8 } from '@millrace/kernel';
import type { WebSocketConstructor } from '@millrace/client';
import {
  clientFrameJson,
  decodeClientFrames,
  decodeServerFrames,
  encodingOf,
  jsonMessage,
  type Encoding,
  type Message,
  type ServerFrame,
} from '@millrace/protocol';
import { validateMessage } from '@millrace/protocol/schema';
import { WebSocket } from 'ws';

/** What docs/asyncapi.yaml finds wrong with frames of these tests, in either direction. */
const problems: string[] = [];
let checked = 0;

/** @returns what was found since the last call, and how many messages were looked at. */
export function takeFrameCheck(): { readonly problems: readonly string[]; readonly checked: number } {
  return { problems: problems.splice(0), checked };
}

/** The JSON form of a decoded server frame, as the schema has it. */
function serverJson(frame: ServerFrame): unknown {
  const messages = (list: readonly Message[]): unknown => list.map((message) => jsonMessage(message));
  switch (frame.t) {
    case 'push':
      return {
        ...frame,
        items: frame.items.map((item) => ('read' in item ? item : { ...item, messages: messages(item.messages) })),
      };
    case 'page':
      return { ...frame, messages: messages(frame.messages) };
    case 'synced':
      return {
        ...frame,
        conversations: frame.conversations.map((delta) => ({ ...delta, messages: messages(delta.messages) })),
      };
    default:
      return frame;
  }
}

function textOf(direction: 'client' | 'server', data: string | Uint8Array, encoding: Encoding): string {
  if (encoding === 'json') return typeof data === 'string' ? data : fromUtf8(data);
  if (direction === 'client') {
    const frames = decodeClientFrames(data, encoding);
    if (!frames.ok) return JSON.stringify(frames.error);
    return `[${frames.value.map((frame) => (frame.ok ? clientFrameJson(frame.value) : JSON.stringify(frame.error))).join(',')}]`;
  }
  const frames = decodeServerFrames(data, encoding);
  return JSON.stringify(frames.ok ? frames.value.map(serverJson) : frames.error);
}

function check(direction: 'client' | 'server', data: string | Uint8Array, subprotocol: string): void {
  const encoding = encodingOf(subprotocol);
  if (encoding === null) return;
  checked += 1;
  for (const problem of validateMessage(direction, textOf(direction, data, encoding))) {
    problems.push(`${direction} (${encoding}): ${problem}`);
  }
}

/** A WebSocket that holds every frame it carries against the protocol's schema. */
export class CheckedWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: false });
    this.on('message', (data, isBinary) => {
      const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Buffer);
      check('server', isBinary ? bytes : bytes.toString(), this.protocol);
    });
  }

  override send(data: string | Uint8Array): void {
    check('client', data, this.protocol);
    super.send(data);
  }
}

export const checkedWebSocket = CheckedWebSocket as unknown as WebSocketConstructor;
