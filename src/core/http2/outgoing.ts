import type { Http2Stream } from 'node:http2';
import type { MaybePromise } from '../lifecycle.js';

/** How much of a body is given to HTTP/2 at once; what takes it tells, part by part, whether the other end moves. */
const CHUNK = 64 * 1024;

interface Waiting {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** What leaves by one stream. */
export class Outgoing {
  readonly #stream: Http2Stream;
  readonly #moved: () => void;
  /** What of a long message has not left, and who waits for what is sent. */
  #parts: Uint8Array[] = [];
  #sent: Waiting | undefined;
  #onEmpty: (() => void) | undefined;
  /** Whether it is told when the other end has made room: what most calls send fits. */
  #watching = false;

  /** @param moved called when the other end has taken something */
  constructor(stream: Http2Stream, moved: () => void) {
    this.#stream = stream;
    this.#moved = moved;
  }

  /** Whether nothing waits to leave. */
  get idle(): boolean {
    return this.#parts.length === 0 && this.#stream.writableLength === 0;
  }

  /** Sends a message in two parts. A promise means: wait for it before the next one. */
  send(head: Buffer, body: Uint8Array): MaybePromise<void> {
    const empty = this.#parts.length === 0;
    if (empty && body.length <= CHUNK) {
      this.#stream.write(body.length === 0 ? head : Buffer.concat([head, body]));
      if (!this.#stream.writableNeedDrain) return;
      this.#watch();
    } else {
      this.#parts.push(head);
      for (let at = 0; at < body.length; at += CHUNK) this.#parts.push(body.subarray(at, at + CHUNK));
      if (empty) this.#pump();
    }
    return (this.#sent ??= waiting()).promise;
  }

  /** Calls `finish` when all has been given to HTTP/2. */
  end(finish: () => void): void {
    if (this.#parts.length === 0) finish();
    else this.#onEmpty = finish;
  }

  /** Forgets what has not left. */
  drop(): void {
    this.#parts = [];
    this.letGo();
  }

  /** Lets nobody wait any longer. */
  letGo(): void {
    this.#sent?.resolve();
    this.#sent = undefined;
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#stream.on('drain', () => {
      this.#moved();
      if (this.#parts.length === 0) this.letGo();
    });
  }

  #pump(): void {
    const [part] = this.#parts;
    if (part === undefined) return;
    this.#stream.write(part, (error) => {
      if (error != null) return;
      this.#moved();
      this.#parts.shift();
      if (this.#parts.length > 0) return this.#pump();
      this.#onEmpty?.();
      this.letGo();
    });
  }
}

function waiting(): Waiting {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
