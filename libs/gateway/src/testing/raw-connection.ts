import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A TCP connection that speaks as much HTTP as an upgrade needs and then does only what a test tells it. */
export interface RawConnection {
  readonly socket: Socket;
  /** The head of the answer, up to the empty line. */
  readonly head: string;
  readonly status: number;
  /** Everything after the head that was read so far. */
  received(): Buffer;
}

export interface RawUpgrade {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Stops reading as soon as the head of the answer is there. */
  readonly pause?: boolean;
}

const UPGRADE = {
  Host: 'localhost',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
};

/** As it goes over the wire. */
export function upgradeRequest({ path = '/', headers = {} }: RawUpgrade): string {
  const lines = Object.entries({ ...UPGRADE, ...headers }).map(([name, value]) => `${name}: ${value}`);
  return [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

export async function rawConnection(port: number, upgrade: RawUpgrade = {}): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(upgradeRequest(upgrade));
  let bytes = Buffer.alloc(0);
  let isOpen = false;
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (isOpen || !bytes.includes('\r\n\r\n')) return;
      isOpen = true;
      if (upgrade.pause === true) socket.pause();
      resolve();
    });
    socket.on('close', () => {
      resolve();
    });
  });
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.subarray(0, end === -1 ? bytes.length : end).toString();
  return {
    socket,
    head,
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
    received: () => bytes.subarray(end + 4),
  };
}

/** The payloads of whole unmasked frames, text and binary ones only. */
export function payloadsOf(bytes: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const opcode = (bytes[at] ?? 0) & 0x0f;
    let length = (bytes[at + 1] ?? 0) & 0x7f;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    if (opcode === 1 || opcode === 2) payloads.push(bytes.subarray(at, at + length));
    at += length;
  }
  return payloads;
}
