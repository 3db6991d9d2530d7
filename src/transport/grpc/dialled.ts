import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { OctavoError } from '../../core/error.js';
import type { Session, Unsent } from '../../core/http2/session.js';
import type { WireOwner } from '../../core/http2/wire.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import { OCTAVO, PATH, TYPE } from './protocol.js';
import { GrpcSocket } from './socket.js';
import { readStatus } from './status.js';
import type { MESSAGE_LIMITS } from '../transport.js';
import { MessageWire } from './wire.js';

/** A stream that we opened. */
class DialledWire extends MessageWire {
  #end: OctavoError | 'in order' | undefined;

  constructor(session: Session, stream: ClientHttp2Stream, owner: WireOwner, limits: typeof MESSAGE_LIMITS) {
    super(session, stream, owner, limits);
    this.known = false;
    stream.on('response', (headers) => this.#answered(headers));
    stream.on('trailers', (headers: IncomingHttpHeaders) => this.#told(headers));
  }

  refuse(): void {
    this.cut();
  }

  protected onEnd(): void {
    const end =
      this.#end ?? new OctavoError('unavailable', `${this.session.remote} ended the stream without a word`);
    this.ended(end === 'in order' ? undefined : end);
  }

  protected finish(): void {
    this.stream.end();
  }

  #answered(headers: IncomingHttpHeaders & { readonly ':status'?: number }): void {
    const { ':status': status = 0 } = headers;
    if (headers['grpc-status'] !== undefined) this.#told(headers);
    else if (status !== 200 || headers['content-type']?.startsWith(TYPE) !== true) {
      const { remote } = this.session;
      this.#end = new OctavoError(
        'unavailable',
        `${remote} does not speak gRPC: it answers with the HTTP status ${status}`,
      );
      this.ended(this.#end);
      return;
    }
    this.octavo = headers[OCTAVO] === '1';
    if (this.octavo) this.session.patient = true;
    this.known = true;
    this.arrived();
  }

  #told(headers: IncomingHttpHeaders): void {
    this.#end = readStatus(headers, this.session.remote) ?? 'in order';
  }
}

/** One call or one stream on a connection that we opened. The other end hears of it by its first message. */
export class DialledSocket extends GrpcSocket implements WireOwner, Unsent {
  readonly remote: string;
  readonly #session: Session;
  readonly #limits: typeof MESSAGE_LIMITS;
  #wire: DialledWire | undefined;

  constructor(session: Session, limits: typeof MESSAGE_LIMITS) {
    super();
    this.#limits = limits;
    this.remote = session.remote;
    this.#session = session;
    session.unsent.add(this);
  }

  get local(): string {
    return this.#session.local;
  }

  send(message: Message): MaybePromise<void> {
    if (this.over) return;
    this.#wire ??= this.#open();
    return this.#wire?.send(message);
  }

  close(error?: OctavoError): void {
    if (this.over) return;
    const wire = this.#wire;
    if (wire !== undefined)
      if (error === undefined || !this.#session.mayReset()) wire.end();
      else wire.cut();
    this.#leave();
    this.finish(undefined);
  }

  lost(error: OctavoError): void {
    this.#leave();
    this.finish(error);
  }

  ended(error: OctavoError | undefined): void {
    this.finish(error);
  }

  protected take(): Message | undefined {
    return this.#wire?.next();
  }

  #leave(): void {
    if (this.#session.unsent.delete(this)) this.#session.released();
  }

  #open(): DialledWire | undefined {
    const { remote } = this;
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request({
        ':method': 'POST',
        ':path': PATH,
        ':authority': remote,
        'content-type': TYPE,
        te: 'trailers',
        'user-agent': 'octavo',
        [OCTAVO]: '1',
      });
    } catch (cause) {
      this.lost(
        new OctavoError('unavailable', `${remote} has closed the connection`, { cause, executed: false }),
      );
      return undefined;
    }
    this.#session.unsent.delete(this);
    const wire = new DialledWire(this.#session, stream, this, this.#limits);
    return wire;
  }
}
