import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { COMPRESSED } from '../../core/grpc-frames.js';
import { GrpcWire } from '../../core/grpc-wire.js';
import { refuse } from '../../core/http2/refuse.js';
import type { Session } from '../../core/http2/session.js';
import type { WireOwner } from '../../core/http2/wire.js';

/** No date goes out, which nobody reads; Node knows that option, whatever its types say. */
const ANSWER = { waitForTrailers: true, sendDate: false };
const ONLY_TRAILERS = { endStream: true, sendDate: false };

/** One call on the wire: its head, messages either way, and its trailers. */
export class CallWire extends GrpcWire {
  protected override readonly goesOn = true;
  readonly #stream: ServerHttp2Stream;
  readonly #opening: OutgoingHttpHeaders;
  #opened = false;
  #trailers: OutgoingHttpHeaders | undefined;

  /** @param opening the headers that every answer begins with */
  constructor(
    session: Session,
    stream: ServerHttp2Stream,
    owner: WireOwner,
    { opening, maxBytes }: { readonly opening: OutgoingHttpHeaders; readonly maxBytes: number },
  ) {
    super(session, stream, owner, { maxBytes, flags: COMPRESSED });
    this.#stream = stream;
    this.#opening = opening;
  }

  /** Begins to take what comes. */
  listen(): void {
    this.begin();
  }

  /** Whether the head of the answer is out. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Sends the head of the answer. */
  open(more?: OutgoingHttpHeaders): void {
    if (this.#opened || this.#gone) return;
    this.#opened = true;
    const headers = more === undefined ? this.#opening : { ...this.#opening, ...more };
    this.#stream.respond(headers, ANSWER);
    this.#stream.on('wantTrailers', () => this.#leave());
  }

  /** Says how the call has ended, behind what was sent. */
  close(trailers: OutgoingHttpHeaders): void {
    this.#trailers = trailers;
    this.end();
  }

  /** The reader says what is wrong: nothing is cut off for it. */
  refuse(): void {}

  protected onEnd(): void {
    this.ended(undefined);
  }

  protected finish(): void {
    if (this.#gone) return;
    if (this.#opened) return void this.#stream.end();
    const headers = { ...this.#opening, ...this.#trailers };
    if (this.over) this.#stream.respond(headers, ONLY_TRAILERS);
    else refuse(this.#stream, headers);
  }

  #leave(): void {
    if (this.#gone) return;
    this.#stream.sendTrailers(this.#trailers ?? {});
    // Nobody reads what the other end sends yet.
    if (!this.over) setImmediate(() => this.#stream.close(constants.NGHTTP2_NO_ERROR));
  }

  get #gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }
}
