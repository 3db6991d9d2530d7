import type { Base } from '@platformatic/kafka';

/** Bytes of the longest answer that is taken: what a server takes of an event may be large, and is set there. */
const MOST_BYTES = 256 * 1024 * 1024;
const SIZE_BYTES = 4;

/**
 * Has a client of the library come to an end for an answer that it cannot read: it would throw out of the socket's event, which ends the
 * process, and wait for answers of any length.
 *
 * @param broken called with what was wrong: what the client was asked for may never be answered
 */
export function guard(client: Base, broken: (error: Error) => void): void {
  client.on('client:broker:connect', ({ connection: { socket } }) => {
    const listeners = socket.listeners('data');
    const frames = new Frames();
    socket.removeAllListeners('data');
    socket.on('data', (chunk: Buffer) => {
      try {
        frames.pass(chunk);
        for (const each of listeners) each.call(socket, chunk);
      } catch (reason) {
        const why = reason instanceof Error ? reason.message : String(reason);
        socket.destroy();
        broken(new Error(`an answer cannot be read: ${why}`));
      }
    });
  });
}

/** Follows the sizes that answers begin with. */
class Frames {
  /** Bytes of the answer under way that are still to come. */
  #left = 0;
  /** The part of a size that has come. */
  #size = Buffer.alloc(0);

  /** Throws for an answer that says that it is too long. */
  pass(chunk: Buffer): void {
    let at = Math.min(this.#left, chunk.length);
    this.#left -= at;
    while (at < chunk.length) {
      const part = chunk.subarray(at, at + SIZE_BYTES - this.#size.length);
      at += part.length;
      this.#size = Buffer.concat([this.#size, part]);
      if (this.#size.length < SIZE_BYTES) return;
      const size = this.#size.readInt32BE(0);
      if (size < SIZE_BYTES || size > MOST_BYTES) throw new Error(`it says that it has ${size} bytes`);
      this.#size = Buffer.alloc(0);
      const here = Math.min(size, chunk.length - at);
      at += here;
      this.#left = size - here;
    }
  }
}
