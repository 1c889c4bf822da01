import type { ScanSink } from './millrace-scan.ts';

interface JsonMessage {
  readonly type: string;
  readonly body?: string;
}

interface JsonFrame {
  readonly t: string;
  readonly id?: number;
  readonly items?: readonly { readonly messages?: readonly JsonMessage[] }[];
  readonly messages?: readonly JsonMessage[];
}

/** Reads what a server sends over the JSON subprotocol, as a browser would. The bodies of the bench are ASCII. */
export function scanJsonMessage(bytes: Uint8Array, sink: ScanSink): void {
  const parsed = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')) as unknown;
  for (const frame of (Array.isArray(parsed) ? parsed : [parsed]) as readonly JsonFrame[]) {
    if (frame.t === 'ack') sink.acked(frame.id ?? 0);
    else if (frame.t === 'push') for (const { messages } of frame.items ?? []) scanMessages(messages ?? [], sink);
    else if (frame.t === 'live') scanMessages(frame.messages ?? [], sink);
    else sink.json(frame.id ?? 0, Buffer.from(JSON.stringify(frame)));
  }
}

function scanMessages(messages: readonly JsonMessage[], sink: ScanSink): void {
  for (const { type, body } of messages) {
    if (body === undefined) continue;
    const bytes = Buffer.from(body, 'latin1');
    if (type === 'control') sink.control(bytes, 0, bytes.length);
    else sink.entry(bytes, bytes.length);
  }
}
