import type { EngineHandlers, EngineSocket, UpgradeAnswer, UpgradeRequest } from '../engine/socket-engine.ts';

export type TestSocket = EngineSocket<string>;

/** Accepts everybody with the first protocol that they offer, and writes down what an engine tells. */
export class RecordingHandlers implements EngineHandlers<string> {
  readonly requests: UpgradeRequest[] = [];
  readonly open = new Set<TestSocket>();
  readonly opened: TestSocket[] = [];
  readonly messages: { readonly socket: TestSocket; readonly data: Uint8Array; readonly isBinary: boolean }[] = [];
  readonly drained: TestSocket[] = [];
  readonly dropped: TestSocket[] = [];
  readonly closed: { readonly socket: TestSocket; readonly code: number }[] = [];
  answer: (request: UpgradeRequest) => UpgradeAnswer<string> = ({ protocols, path }) => ({
    accept: true,
    subprotocol: protocols[0] ?? '',
    context: path,
  });
  received: (socket: TestSocket, data: Uint8Array, isBinary: boolean) => void = () => undefined;

  onUpgrade(request: UpgradeRequest): UpgradeAnswer<string> {
    this.requests.push(request);
    return this.answer(request);
  }
  onOpen(socket: TestSocket): void {
    this.open.add(socket);
    this.opened.push(socket);
  }
  onMessage(socket: TestSocket, data: Uint8Array, isBinary: boolean): void {
    this.messages.push({ socket, data, isBinary });
    this.received(socket, data, isBinary);
  }
  onDrain(socket: TestSocket): void {
    this.drained.push(socket);
  }
  onDropped(socket: TestSocket): void {
    this.dropped.push(socket);
  }
  onClose(socket: TestSocket, code: number): void {
    this.open.delete(socket);
    this.closed.push({ socket, code });
  }

  /** The socket whose upgrade asked for this path. */
  at(path: string): TestSocket {
    const socket = this.opened.find(({ context }) => context === path);
    if (socket === undefined) throw new Error(`no socket was opened at ${path}`);
    return socket;
  }
}
