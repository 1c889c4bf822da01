import { createRequire } from 'node:module';
import { err, ok, type Result } from '@millrace/kernel';

// What is used of uWebSockets.js. Described here because the package, an optional one, may be absent.

export interface UwsSocketHandle<UserData> {
  /** 1 sent, 0 taken behind what waits, 2 dropped. */
  send(message: Uint8Array, isBinary: boolean, compress: boolean): number;
  getBufferedAmount(): number;
  /** Sends a close frame; calls `close` before it returns. The handle is invalid from then on. */
  end(code: number, reason: string): void;
  /** Cuts the connection; calls `close` before it returns. */
  close(): void;
  cork(callback: () => void): unknown;
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
  getTopics(): string[];
  getUserData(): UserData;
}

export interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body: string, closeConnection: boolean): UwsResponse;
  getRemoteAddressAsText(): ArrayBuffer;
  /** Nothing is read of the connection from here on. Also for one without a request, as `filter` gives it. */
  pause(): void;
  resume(): void;
  /** The response is invalid from then on, as it is when it has been answered or upgraded. */
  onAborted(handler: () => void): UwsResponse;
  upgrade(userData: object, key: string, protocol: string, extensions: string, context: unknown): void;
}

export interface UwsRequest {
  /** '' when it is not there. */
  getHeader(lowerCaseName: string): string;
  getUrl(): string;
}

export interface UwsBehavior<UserData> {
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  readonly closeOnBackpressureLimit: boolean;
  readonly idleTimeout: number;
  readonly maxLifetime: number;
  readonly sendPingsAutomatically: boolean;
  readonly compression: number;
  readonly upgrade: (response: UwsResponse, request: UwsRequest, context: unknown) => void;
  readonly open: (handle: UwsSocketHandle<UserData>) => void;
  readonly message: (handle: UwsSocketHandle<UserData>, message: ArrayBuffer, isBinary: boolean) => void;
  readonly drain: (handle: UwsSocketHandle<UserData>) => void;
  readonly dropped: (handle: UwsSocketHandle<UserData>) => void;
  readonly close: (handle: UwsSocketHandle<UserData>, code: number) => void;
}

export interface UwsApp {
  ws<UserData>(pattern: string, behavior: UwsBehavior<UserData>): UwsApp;
  /** Called with 1 for each connection that is accepted, -1 for one that ends without an upgrade. */
  filter(handler: (response: UwsResponse, count: number) => void): UwsApp;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  listen(host: string, port: number, callback: (listenSocket: unknown) => void): UwsApp;
  publish(topic: string, message: Uint8Array, isBinary: boolean, compress: boolean): boolean;
  close(): UwsApp;
}

export interface UwsApi {
  App(): UwsApp;
  us_socket_local_port(listenSocket: unknown): number;
  us_listen_socket_close(listenSocket: unknown): void;
  readonly DISABLED: number;
}

/** A package's text may run over many lines; the one that says what the loader could not do comes last. */
function reasonOf(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('- ') && line !== 'Require stack:');
  return (lines.at(-1) ?? 'unknown error').slice(0, 300);
}

/** @returns the library, or why it does not load on this machine, in one line. */
export function loadUws(require: (name: string) => unknown = createRequire(import.meta.url)): Result<UwsApi, string> {
  try {
    return ok(require('uWebSockets.js') as UwsApi);
  } catch (error) {
    return err(reasonOf(error));
  }
}
