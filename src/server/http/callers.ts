import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { OctavoError } from '../../core/error.js';
import type { PeerCertificate } from '../../core/tls.js';

/** Who is at the other end of a connection. */
export interface Caller {
  readonly remote: string;
  /** What it has shown, and was checked. */
  readonly certificate: PeerCertificate | undefined;
  /** Why it is served nothing, which it is to be told. */
  readonly unwelcome: OctavoError | undefined;
  /** Whether its connection is to be closed when what happens on it is done. */
  readonly leaving: boolean;
}

/** What HTTP knows a connection by: its socket, or its session of HTTP/2. */
export type Line = object;

/** Who is at the other end of each connection. */
export class Callers {
  readonly #byLine = new WeakMap<Line, Caller>();
  readonly #unknown: Caller = { remote: '', certificate: undefined, unwelcome: undefined, leaving: true };

  add(line: Line, caller: Caller): void {
    this.#byLine.set(line, caller);
  }

  /** Who sent a request; nobody that is known where its connection has gone meanwhile. */
  of(request: IncomingMessage): Caller {
    return this.#byLine.get(lineOf(request)) ?? this.#unknown;
  }
}

function lineOf(request: IncomingMessage): Line {
  if (request.httpVersionMajor === 1) return request.socket;
  // What came by HTTP/2 is one of these, whatever fastify's types say. Its session goes with its stream.
  const { stream } = request as unknown as Http2ServerRequest;
  return stream.session ?? stream;
}
