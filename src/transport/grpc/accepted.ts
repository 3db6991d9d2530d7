import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { OctavoError } from '../../core/error.js';
import type { Session } from '../../core/http2/session.js';
import type { WireOwner } from '../../core/http2/wire.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import type { PeerCertificate } from '../../core/tls.js';
import type { MESSAGE_LIMITS, Socket } from '../transport.js';
import { OCTAVO, TYPE } from './protocol.js';
import { GrpcSocket } from './socket.js';
import { OK, writeStatus } from './status.js';
import { MessageWire } from './wire.js';

export interface AcceptedWireParts {
  readonly limits: typeof MESSAGE_LIMITS;
  readonly accept: (socket: Socket) => void;
}

/** A stream that the other end opened: one call or one stream of an Octavo peer; of another, one call after the other. */
export class AcceptedWire extends MessageWire {
  /** Whether a call or a stream is under way on it; when that was last so, in milliseconds since the epoch. */
  busy = false;
  freeSince: number;
  readonly #stream: ServerHttp2Stream;
  #heard = false;
  #status: OutgoingHttpHeaders = OK;

  constructor(
    session: Session,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { limits, accept }: AcceptedWireParts,
  ) {
    super(session, stream, NOBODY, limits);
    this.#stream = stream;
    this.freeSince = session.now();
    this.octavo = headers[OCTAVO] === '1';
    stream.on('wantTrailers', () => stream.sendTrailers(this.#status));
    stream.respond({ ':status': 200, 'content-type': TYPE, [OCTAVO]: '1' }, { waitForTrailers: true });
    this.owner = new Reception(this, accept);
    this.look();
    this.begin();
  }

  /** Whether this is between two calls of a caller that may make another. */
  get resting(): boolean {
    return this.#heard && !this.busy && !this.octavo;
  }

  /** Waits for the message that begins the next call. */
  serve(): void {
    this.busy = false;
    this.freeSince = this.session.now();
    this.readOn();
    this.look();
  }

  /** A call or a stream has begun. */
  begun(): void {
    this.#heard = true;
    this.busy = true;
  }

  refuse(error: OctavoError): void {
    if (!this.idle) return this.cut();
    this.#status = writeStatus(error);
    this.end();
  }

  override sweep(now: number): void {
    const { headerTimeoutMs } = this.session.options;
    if (!this.#heard && headerTimeoutMs > 0 && now - this.freeSince >= headerTimeoutMs) {
      const what = `no message came within ${headerTimeoutMs} ms (headerTimeoutMs)`;
      return this.refuse(new OctavoError('deadline_exceeded', what, { executed: false }));
    }
    super.sweep(now);
  }

  protected onEnd(): void {
    this.ended(undefined);
  }

  protected finish(): void {
    this.#stream.end();
  }
}

const NOBODY: WireOwner = { arrived: () => {}, ended: () => {} };

/** Waits for the message that begins a call or a stream, and has it accepted. */
class Reception implements WireOwner {
  readonly #wire: AcceptedWire;
  readonly #accept: (socket: Socket) => void;

  constructor(wire: AcceptedWire, accept: (socket: Socket) => void) {
    this.#wire = wire;
    this.#accept = accept;
  }

  arrived(): void {
    let first: Message | undefined;
    try {
      first = this.#wire.next();
    } catch {
      // The other end was told.
      return;
    }
    if (first === undefined) return;
    this.#wire.begun();
    const whole = this.#wire.octavo || mucp.readMicro(first.header, mucp.STREAM) !== undefined;
    const socket = whole ? new AcceptedSocket(this.#wire, first) : new CallSocket(this.#wire, first, this);
    this.#wire.owner = socket;
    this.#accept(socket);
    socket.settle();
  }

  ended(): void {
    // Nobody knows of it.
  }
}

/** A socket whose first message has come. */
abstract class ServedSocket extends GrpcSocket implements WireOwner {
  override readonly certificate: PeerCertificate | undefined;
  readonly local: string;
  readonly remote: string;
  protected readonly wire: AcceptedWire;
  protected first: Message | undefined;

  constructor(wire: AcceptedWire, first: Message) {
    super();
    const { local, remote, certificate } = wire.session;
    this.wire = wire;
    this.local = local;
    this.remote = remote;
    this.certificate = certificate;
    this.first = first;
  }

  ended(error: OctavoError | undefined): void {
    this.finish(error);
  }

  /** Nobody has taken the first message: it is not to hold more memory than its own. */
  settle(): void {
    const { first } = this;
    if (first !== undefined) this.first = { header: first.header, body: new Uint8Array(first.body) };
  }

  protected takeFirst(): Message | undefined {
    const { first } = this;
    this.first = undefined;
    return first;
  }
}

/** A call or a stream that has an HTTP/2 stream for itself. */
class AcceptedSocket extends ServedSocket {
  send(message: Message): MaybePromise<void> {
    return this.over ? undefined : this.wire.send(message);
  }

  close(error?: OctavoError): void {
    if (this.over) return;
    this.first = undefined;
    if (error === undefined) this.wire.end();
    else this.wire.cut();
    this.finish(undefined);
  }

  protected take(): Message | undefined {
    return this.takeFirst() ?? this.wire.next();
  }
}

/** A call of go-micro's client, which makes its next one on the same stream. */
class CallSocket extends ServedSocket {
  readonly #next: WireOwner;
  #answered = false;

  constructor(wire: AcceptedWire, first: Message, next: WireOwner) {
    super(wire, first);
    this.#next = next;
  }

  send(message: Message): MaybePromise<void> {
    if (this.over) return undefined;
    const sent = this.wire.send(message);
    this.#answered = true;
    return sent;
  }

  close(error?: OctavoError): void {
    if (this.over) return;
    this.first = undefined;
    if (error !== undefined) this.wire.cut();
    // A caller that got no answer would wait for ever.
    else if (!this.#answered || this.wire.session.leaving) this.wire.end();
    else this.wire.owner = this.#next;
    this.finish(undefined);
    if (this.#answered && error === undefined && !this.wire.session.leaving) this.wire.serve();
  }

  protected take(): Message | undefined {
    return this.takeFirst();
  }
}
