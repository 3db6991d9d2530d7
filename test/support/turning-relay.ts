import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands before one server, and then before another: an address that stays where what is behind it changes. */
export class TurningRelay implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #target: string;

  private constructor(server: Server, target: string) {
    // What listens on TCP has an address with a port.
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#target = target;
    server.on('connection', (near) => this.#carry(near));
  }

  static async before(target: string): Promise<TurningRelay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TurningRelay(server, target);
  }

  /** Leads whoever comes from now on there, and cuts all others off. */
  turn(target: string): void {
    this.#target = target;
    for (const socket of this.#open) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #carry(near: Socket): void {
    const [host, port] = this.#target.split(':');
    const far = connect({ host, port: Number(port) });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
