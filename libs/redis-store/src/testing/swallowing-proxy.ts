import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A TCP proxy in front of a Redis that can lose what it carries, as a network does. */
export class SwallowingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #port: number;
  #swallowReplies = false;
  #swallowRequests = false;
  #requestSwallowed: (() => void) | null = null;
  #replySwallowed: (() => void) | null = null;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
  }

  static async open(target: string): Promise<SwallowingProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new SwallowingProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => {
      proxy.#join(client, createConnection({ host: hostname, port: Number(port) }));
    });
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${String(this.#port)}`;
  }

  /** From now on replies are lost; resolves when the first one was, so that Redis has executed what it answered. */
  swallowReplies(): Promise<void> {
    this.#swallowReplies = true;
    return new Promise((resolve) => (this.#replySwallowed = resolve));
  }

  /** From now on requests are lost; resolves when the first one was. */
  swallowRequests(): Promise<void> {
    this.#swallowRequests = true;
    return new Promise((resolve) => (this.#requestSwallowed = resolve));
  }

  heal(): void {
    this.#swallowReplies = false;
    this.#swallowRequests = false;
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, redis: Socket): void {
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (data) => {
      if (this.#swallowRequests) this.#requestSwallowed?.();
      else redis.write(data);
    });
    redis.on('data', (data) => {
      if (this.#swallowReplies) this.#replySwallowed?.();
      else client.write(data);
    });
  }
}
