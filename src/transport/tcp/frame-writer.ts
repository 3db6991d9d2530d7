import type { Socket as TcpSocket } from 'node:net';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import * as wire from './frames.js';
import { HeaderWriter } from './header-writer.js';
import { Outgoing } from './outgoing.js';

/** Writes the frames of one connection. */
export class FrameWriter {
  readonly #out: Outgoing;
  readonly #headers = new HeaderWriter();
  #most: wire.Terms;
  /** What the header that was looked at takes at most. */
  #headerBytes = 0;

  /** @param most what this end sends at most */
  constructor(tcp: TcpSocket, most: wire.Terms) {
    this.#out = new Outgoing(tcp);
    this.#most = most;
  }

  /** Whether the other end is behind: more waits to leave than should. */
  get full(): boolean {
    return this.#out.full;
  }

  /** Keeps to what the other end takes, too. */
  limit(peer: wire.Terms): void {
    const { maxMessageBytes, maxHeaderBytes, maxHeaders } = this.#most;
    this.#most = {
      ...this.#most,
      maxMessageBytes: Math.min(maxMessageBytes, peer.maxMessageBytes),
      maxHeaderBytes: Math.min(maxHeaderBytes, peer.maxHeaderBytes),
      maxHeaders: Math.min(maxHeaders, peer.maxHeaders),
    };
  }

  /**
   * Looks at a message that {@link message} is to write next.
   *
   * @throws `resource_exhausted` for one over a limit of either end, `invalid_argument` for a header that cannot be
   */
  check({ header, body }: Message): void {
    const { maxMessageBytes, maxHeaderBytes, maxHeaders } = this.#most;
    if (body.length > maxMessageBytes)
      throw over(`a message of ${body.length} bytes`, maxMessageBytes, 'maxMessageBytes');
    const { pairs } = header;
    if (pairs.length > 2 * maxHeaders) throw over(`${header.size} headers`, maxHeaders, 'maxHeaders');
    this.#headerBytes = this.#headers.measure(pairs);
    const { size } = this.#headers;
    if (size > maxHeaderBytes) throw over(`a header of ${size} bytes`, maxHeaderBytes, 'maxHeaderBytes');
  }

  /** Writes the message that was checked, with the beginning of its body. Returns what it takes of the window. */
  message(type: number, stream: number, { header, body }: Message, part: Uint8Array): number {
    const { pairs } = header;
    const out = this.#out;
    const bytes = out.room(MOST_COUNTS + this.#headerBytes);
    const from = out.at + wire.FRAME_BYTES;
    let to = wire.writeVarint(bytes, from, pairs.length >> 1);
    to = wire.writeVarint(bytes, to, body.length);
    to = this.#headers.write(pairs, bytes, to);
    out.frame(type, stream, to, part);
    return wire.MESSAGE_CHARGE + wire.PAIR_CHARGE * (pairs.length >> 1) + to - from + part.length;
  }

  data(stream: number, part: Uint8Array): void {
    this.#out.room(0);
    this.#out.frame(wire.DATA, stream, this.#out.at + wire.FRAME_BYTES, part);
  }

  credit(stream: number, bytes: number): void {
    this.#number(wire.CREDIT, stream, bytes);
  }

  end(stream: number): void {
    if (!this.#out.markLast(stream)) this.#empty(wire.END, stream);
  }

  reset(stream: number, unexecuted = false): void {
    this.#empty(unexecuted ? wire.RESET | wire.UNEXECUTED : wire.RESET, stream);
  }

  ping(): void {
    this.#number(wire.PING, 0, 0);
  }

  /** An answer. Who asks on and on and does not read is not answered. */
  pong(text: number): void {
    if (!this.full) this.#number(wire.PONG, 0, text);
  }

  goaway(last: number): void {
    this.#empty(wire.GOAWAY, last);
  }

  /** Writes at once what was gathered. */
  flush(): void {
    this.#out.flush();
  }

  /** The other end has caught up. */
  drained(): void {
    this.#out.drained();
  }

  /** Lets go of memory that is not needed while nothing happens. */
  rest(): void {
    this.#out.rest();
  }

  #empty(type: number, stream: number): void {
    this.#out.room(0);
    this.#out.frame(type, stream, this.#out.at + wire.FRAME_BYTES);
  }

  #number(type: number, stream: number, value: number): void {
    const bytes = this.#out.room(4);
    this.#out.frame(type, stream, bytes.writeUInt32BE(value, this.#out.at + wire.FRAME_BYTES));
  }
}

/** Bytes of the number of headers and the length of the body. */
const MOST_COUNTS = 10;

function over(what: string, limit: number, option: string): OctavoError {
  return new OctavoError(
    'resource_exhausted',
    `${what}: the limit, here or at the other end, is ${limit} (${option})`,
  );
}
