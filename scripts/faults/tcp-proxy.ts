import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy on loopback that can stop forwarding without closing anything, as a network that drops every packet does:
 * connections stay open, new ones are taken, and nothing comes through in either direction.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Taken while it held, without a way to the target. */
  readonly #unserved = new Set<Socket>();
  #target: number;
  #isHolding = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (socket) => {
      this.#track(socket);
      if (this.#isHolding) {
        socket.pause();
        this.#unserved.add(socket);
        socket.once('close', () => this.#unserved.delete(socket));
      } else this.#join(socket);
    });
  }

  /** @param target - a loopback port. */
  static async start(target: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new TcpProxy(server, target);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing is forwarded from now on. */
  hold(): void {
    this.#isHolding = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was held back goes on its way. */
  release(): void {
    this.#isHolding = false;
    for (const socket of this.#unserved) this.#join(socket);
    this.#unserved.clear();
    for (const socket of this.#sockets) socket.resume();
  }

  /** New connections go there; those that are open are cut. */
  pointTo(target: number): void {
    this.#target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  #join(socket: Socket): void {
    const beyond = connect({ host: '127.0.0.1', port: this.#target, allowHalfOpen: true });
    this.#track(beyond);
    for (const [from, to] of [
      [socket, beyond],
      [beyond, socket],
    ] as const) {
      from.on('data', (chunk) => {
        if (to.write(chunk)) return;
        from.pause();
        to.once('drain', () => {
          if (!this.#isHolding) from.resume();
        });
      });
      from.once('end', () => to.end());
      from.once('close', () => to.destroy());
    }
    socket.resume();
  }
}
