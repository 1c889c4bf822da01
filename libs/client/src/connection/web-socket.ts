/** The part of the platform's WebSocket that the client uses; `ws` has it, too. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Drops the connection without a farewell, where the platform can. */
  terminate?(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** The platform's own, or null where there is none (Node 20). */
export function platformWebSocket(): WebSocketConstructor | null {
  const platform = globalThis as unknown as { WebSocket?: WebSocketConstructor };
  return platform.WebSocket ?? null;
}
