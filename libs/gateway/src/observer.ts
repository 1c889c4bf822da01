/** Told of what is worth counting. Calls are cheap and never throw. */
export interface GatewayObserver {
  socketOpened(): void;
  socketClosed(code: number): void;
  framesIn(count: number, bytes: number): void;
  framesOut(count: number, bytes: number): void;
  rateLimited(): void;
  resynced(reason: string): void;
}

export const silentGatewayObserver: GatewayObserver = {
  socketOpened: () => undefined,
  socketClosed: () => undefined,
  framesIn: () => undefined,
  framesOut: () => undefined,
  rateLimited: () => undefined,
  resynced: () => undefined,
};
