import type { Socket as TcpSocket } from 'node:net';
import { FRAME_BYTES, LAST, MESSAGE } from './frames.js';

/** Bytes of the pieces of memory that frames are written into: the first, and the largest. */
const FIRST_SLAB = 4 * 1024;
const LARGEST_SLAB = 64 * 1024;
/** Bodies up to so many bytes are copied; a longer one is written from where it is. */
const COPIED = 4 * 1024;
/** How much may wait to leave before senders are told to. */
const MOST_WAITING = 1024 * 1024;

/**
 * What leaves by one connection: frames are gathered, and written once a turn of the event loop.
 *
 * A region that was handed to the socket is never written to again.
 */
export class Outgoing {
  readonly #tcp: TcpSocket;
  readonly #flush = (): void => this.flush();
  #slab: Buffer = NOTHING;
  #size = FIRST_SLAB;
  #at = 0;
  /** Where in the slab begins what was not handed over. */
  #from = 0;
  /** What leaves before that, and its bytes. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #scheduled = false;
  #behind = false;
  /** The stream of the last frame, while that is a message and can still be changed, and where it begins. */
  #lastStream = 0;
  #lastAt = 0;

  constructor(tcp: TcpSocket) {
    this.#tcp = tcp;
  }

  /** Whether the other end is behind: more waits to leave than should. */
  get full(): boolean {
    return this.#behind || this.#partBytes + this.#at - this.#from > MOST_WAITING;
  }

  /** Makes room for a frame whose payload takes so many bytes at most, and gives what it is written into, at {@link at}. */
  room(payload: number): Buffer {
    const bytes = FRAME_BYTES + payload;
    if (this.#slab.length - this.#at < bytes) {
      this.#setAside();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#size, bytes));
      this.#size = Math.min(LARGEST_SLAB, 4 * this.#size);
      this.#at = 0;
      this.#from = 0;
    }
    return this.#slab;
  }

  /** Where the next frame begins. */
  get at(): number {
    return this.#at;
  }

  /**
   * Ends the frame that begins at {@link at}, whose payload was written up to `end`.
   *
   * @param body comes behind it, as the rest of the payload
   */
  frame(type: number, stream: number, end: number, body?: Uint8Array): void {
    const at = this.#at;
    const slab = this.#slab;
    const bodyBytes = body === undefined ? 0 : body.length;
    const copied = bodyBytes <= COPIED && end + bodyBytes <= slab.length;
    let to = end;
    if (body !== undefined && copied) {
      if (bodyBytes < 32) for (let n = 0; n < bodyBytes; n++) slab[to + n] = body[n] ?? 0;
      else slab.set(body, to);
      to += bodyBytes;
    }
    const length = end + bodyBytes - at - FRAME_BYTES;
    slab[at] = type;
    slab[at + 1] = length >> 16;
    slab[at + 2] = length >> 8;
    slab[at + 3] = length;
    slab[at + 4] = stream >> 24;
    slab[at + 5] = stream >> 16;
    slab[at + 6] = stream >> 8;
    slab[at + 7] = stream;
    this.#at = to;
    this.#lastStream = (type & 0x0f) === MESSAGE ? stream : 0;
    this.#lastAt = at;
    if (body !== undefined && !copied) {
      this.#setAside();
      this.#parts.push(body);
      this.#partBytes += bodyBytes;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flush);
  }

  /** Makes the message that was written last the last one of its stream, if it is this stream's and has not left. */
  markLast(stream: number): boolean {
    if (this.#lastStream !== stream) return false;
    const slab = this.#slab;
    slab[this.#lastAt] = (slab[this.#lastAt] ?? 0) | LAST;
    return true;
  }

  /** Writes what was gathered. */
  flush(): void {
    this.#scheduled = false;
    this.#setAside();
    const parts = this.#parts;
    const [first] = parts;
    if (first === undefined) return;
    this.#parts = [];
    this.#partBytes = 0;
    if (!this.#tcp.writable) return;
    if (parts.length === 1) this.#tcp.write(first);
    else {
      this.#tcp.cork();
      for (const part of parts) this.#tcp.write(part);
      this.#tcp.uncork();
    }
    this.#behind = this.#tcp.writableLength > MOST_WAITING;
  }

  /** The other end has caught up. */
  drained(): void {
    this.#behind = false;
  }

  /** Lets go of memory that is not needed while nothing happens. */
  rest(): void {
    this.flush();
    this.#slab = NOTHING;
    this.#at = 0;
    this.#from = 0;
    this.#size = FIRST_SLAB;
  }

  /** Puts what is in the slab among the parts. */
  #setAside(): void {
    this.#lastStream = 0;
    if (this.#at === this.#from) return;
    this.#parts.push(this.#slab.subarray(this.#from, this.#at));
    this.#partBytes += this.#at - this.#from;
    this.#from = this.#at;
  }
}

const NOTHING = Buffer.alloc(0);
