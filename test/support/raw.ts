import { connect, type Socket } from 'node:net';
import { parseAddress } from '../../src/core/address.js';

/** A bare TCP connection that keeps what it reads. */
export class Raw {
  readonly socket: Socket;
  #text = '';
  #ended = false;
  readonly #changed: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
    for (const event of ['end', 'close', 'error'])
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
  }

  static async open(address: string): Promise<Raw> {
    const { host, port } = parseAddress(address);
    const raw = new Raw(connect({ host, port }));
    await new Promise<void>((resolve, reject) => raw.socket.once('connect', resolve).once('error', reject));
    return raw;
  }

  get text(): string {
    return this.#text;
  }

  get ended(): boolean {
    return this.#ended;
  }

  write(text: string | Uint8Array): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** Resolves with all that was read when this holds of it. Rejects when the connection ends before. */
  async until(holds: (text: string) => boolean): Promise<string> {
    while (!holds(this.#text)) {
      if (this.#ended) throw new Error(`the connection ended after ${JSON.stringify(this.#text)}`);
      await this.#change();
    }
    return this.#text;
  }

  /** Resolves with all that was read when the other end has closed. */
  async end(): Promise<string> {
    while (!this.#ended) await this.#change();
    return this.#text;
  }

  close(): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    for (const each of this.#changed.splice(0)) each();
  }
}
