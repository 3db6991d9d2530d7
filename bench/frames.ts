import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Variant } from './variant.js';

const HEAD = 8;
const SLAB = 64 * 1024;

/** Frames of many calls on one bare socket, written once a turn, no more than a call needs: what no framework on a wire of its own can beat. */
export const frames: Variant = {
  name: 'frames',
  about: 'multiplexed frames by hand on one bare socket',

  async serve() {
    const server = createServer((socket) => {
      const writer = new Writer(socket);
      read(socket, (id, body) => writer.write(id, body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // A TCP server that listens has an address with a port.
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  },

  async connect(address) {
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const writer = new Writer(socket);
    const waiting = new Map<number, (body: string) => void>();
    read(socket, (id, body) => {
      waiting.get(id)?.(body);
      waiting.delete(id);
    });
    let next = 0;
    return (text) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        writer.write(id, text);
      });
  },
};

class Writer {
  readonly #socket: Socket;
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB);
  #at = 0;
  #from = 0;
  #scheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
  }

  write(id: number, body: string): void {
    if (this.#slab.length - this.#at < HEAD + body.length) {
      this.#flush();
      this.#slab = Buffer.allocUnsafeSlow(SLAB);
      this.#at = this.#from = 0;
    }
    const slab = this.#slab;
    slab.writeUInt32BE(body.length, this.#at);
    slab.writeUInt32BE(id, this.#at + 4);
    slab.write(body, this.#at + HEAD, 'latin1');
    this.#at += HEAD + body.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#at > this.#from) this.#socket.write(this.#slab.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}

function read(socket: Socket, onFrame: (id: number, body: string) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    while (all.length - at >= HEAD) {
      const end = at + HEAD + all.readUInt32BE(at);
      if (end > all.length) break;
      onFrame(all.readUInt32BE(at + 4), all.toString('latin1', at + HEAD, end));
      at = end;
    }
    rest = all.subarray(at);
  });
}
