import type { Socket } from 'node:net';

/**
 * Which connections of an agent have their handshake behind them.
 *
 * Node does not call one reused that goes from a request to one that waits for it.
 */
export class Handshakes {
  readonly #done = new WeakSet<Socket>();

  isDone(socket: Socket): boolean {
    return this.#done.has(socket);
  }

  /** Calls `done` when the handshake is through: at once where it was. */
  await(socket: Socket, done: () => void): void {
    if (this.isDone(socket)) return done();
    socket.once('secureConnect', () => {
      this.#done.add(socket);
      done();
    });
    return undefined;
  }
}
