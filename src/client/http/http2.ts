import { constants, type ClientHttp2Stream } from 'node:http2';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { http2Dialler, type Http2Dialler } from '../../core/http2/dial.js';
import type { Carried, Session, Unsent } from '../../core/http2/session.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { PoolOptions } from '../../core/pool.js';
import { inAll, type PoolStats } from '../../core/pool-stats.js';
import type { Certificates } from '../../core/tls.js';
import type { Asked, Asker, Connections, RequestHead } from './asking.js';
import type { Target } from './target.js';
import { headersObject } from './wire.js';

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;

export interface Http2Parts {
  readonly clock: Clock;
  readonly certificates: Certificates;
  readonly pool: Required<PoolOptions>;
  readonly dialTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}

/** How much of one answer the other end may send before it is read, in bytes. */
const WINDOW_BYTES = 256 * 1024;
/** For how long what was sent may wait untaken, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Asks by HTTP/2, spoken at once or agreed on in the handshake of TLS: a connection carries many requests, each open at both ends. */
export class Http2 implements Connections {
  readonly #parts: Http2Parts;
  readonly #plain: Http2Dialler<Place>;
  readonly #secure: Http2Dialler<Place>;

  constructor(parts: Http2Parts) {
    this.#parts = parts;
    this.#plain = dialler(parts, undefined);
    this.#secure = dialler(parts, parts.certificates);
  }

  ask(target: Target, head: RequestHead, asker: Asker): MaybePromise<Asked> {
    const { pool, dialTimeoutMs: timeoutMs } = this.#parts;
    const { context } = asker.call;
    const dialled = (target.tls ? this.#secure : this.#plain).dial(target.shown, {
      timeoutMs,
      pool,
      cancellation: context,
    });
    const begin = (place: Place): Asked => {
      if (context.cancelled === undefined) return place.ask(target, head, asker);
      place.leave();
      throw context.cancelled;
    };
    if (!isPromise(dialled)) return begin(dialled);
    return dialled.then(begin, (reason: unknown) => {
      throw otherwise(target, reason);
    });
  }

  get stats(): PoolStats {
    return inAll([this.#plain, this.#secure]);
  }

  destroy(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

function dialler(parts: Http2Parts, certificates: Certificates | undefined): Http2Dialler<Place> {
  const { clock, dialTimeoutMs, keepaliveMs, maxHeaderBytes, maxHeaders } = parts;
  return http2Dialler({
    who: 'the http client',
    clock,
    certificates,
    options: {
      connections: 1,
      timeoutMs: TIMEOUT_MS,
      headerTimeoutMs: dialTimeoutMs,
      keepaliveMs,
      windowBytes: WINDOW_BYTES,
      maxStreams: 0,
      headerBytes: maxHeaderBytes,
      headerPairs: maxHeaders,
    },
    socket: (session) => new Place(session),
  });
}

/** Who answers HTTP/2 with something else speaks HTTP/1.1: another node may be different, this one is not. */
function otherwise({ shown, tls }: Target, reason: unknown): OctavoError {
  const error = OctavoError.from(reason);
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException; // Node's own, where there is one
  const answered = code?.startsWith('ERR_HTTP2') === true || (code === 'ECONNRESET' && !tls);
  if (!answered && !/no application protocol/i.test(error.message)) return error;
  return new OctavoError(
    'unimplemented',
    `${shown} does not speak HTTP/2, which a stream both ways needs: HTTP/1.1 carries unary calls and streams one way`,
    { cause: error, executed: false },
  );
}

/** A place on a connection for one request. */
class Place implements Unsent {
  readonly #session: Session;
  #lost: OctavoError | undefined;

  constructor(session: Session) {
    this.#session = session;
    session.unsent.add(this);
  }

  lost(error: OctavoError): void {
    this.#lost = error;
    this.#session.unsent.delete(this);
  }

  leave(): void {
    if (this.#session.unsent.delete(this)) this.#session.released();
  }

  ask({ tls, shown }: Target, { method, path, headers }: RequestHead, asker: Asker): Asked {
    if (this.#lost !== undefined) throw this.#lost;
    const scheme = tls ? 'https' : 'http';
    try {
      const stream = this.#session.request({
        ':method': method,
        ':path': path,
        ':scheme': scheme,
        ':authority': shown,
        ...headersObject(headers),
      });
      return new Http2Asked(this.#session, stream, asker);
    } catch (cause) {
      throw new OctavoError('unavailable', `${shown} takes no more calls on its connection`, {
        cause,
        executed: false,
      });
    } finally {
      this.leave();
    }
  }
}

/** One request of HTTP/2. Node gives leave to send as the answer is read. */
class Http2Asked implements Asked {
  readonly body: ClientHttp2Stream;
  readonly #session: Session;
  readonly #asker: Asker;
  /** Node reads by itself, and the call has a deadline of its own. Where its connection is gone, Node mostly knows. */
  readonly #carried: Carried = { readOn: () => {}, sweep: () => {}, cut: () => this.body.destroy() };
  #told = false;

  constructor(session: Session, stream: ClientHttp2Stream, asker: Asker) {
    this.body = stream;
    this.#session = session;
    this.#asker = asker;
    session.add(this.#carried);
    stream.on('response', (headers, _, raw: readonly string[] = []) => {
      if (this.#told) return;
      this.#told = true;
      asker.answered({ status: headers[':status'] ?? 0, headers: raw, body: stream });
    });
    // What is wrong is told when it is closed.
    stream.on('error', () => {});
    // Not from within nghttp2: see `Wire`.
    stream.on('close', () => setImmediate(() => this.#closed()));
    queueMicrotask(() => {
      if (!this.#told) asker.connected();
    });
  }

  cut(): void {
    this.#told = true;
    const { body } = this;
    if (body.closed || body.destroyed) return;
    if (!this.#session.mayReset()) return void body.end();
    // Else Node writes an orderly end before the reset, and who reads that first takes the request for whole.
    body._final = (done) => done();
    body.close(NGHTTP2_CANCEL);
  }

  #closed(): void {
    this.#session.remove(this.#carried);
    if (this.#told) return;
    this.#told = true;
    const { rstCode } = this.body;
    const { remote, error } = this.#session;
    if (rstCode === NGHTTP2_REFUSED_STREAM)
      return this.#asker.failed(
        new OctavoError('unavailable', `${remote} did not take the call`, { executed: false }),
      );
    const what = `${remote} ended the stream without an answer (HTTP/2 code ${rstCode})`;
    this.#asker.failed(error ?? new OctavoError('unavailable', what));
  }
}
