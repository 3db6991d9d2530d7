import type { ServerHttp2Stream } from 'node:http2';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { GRPC_ENCODINGS, grpcEncoding } from '../../core/grpc-compression.js';
import type { Opened } from '../../core/http2/door.js';
import { refuse } from '../../core/http2/refuse.js';
import type { Pulse } from '../../core/pulse.js';
import { writeTrailers } from '../../schema/grpc-trailers.js';
import type { MessageLimits } from '../../transport/transport.js';
import type { Dispatcher, DispatchRoute, Requested } from '../dispatcher.js';
import { readRequest } from '../read-request.js';
import { streamPulse } from '../stream-pulse.js';
import { CallWire } from './call-wire.js';
import { isGrpc, timeoutOf, type Dialect, type Dialects } from './dialect.js';
import { readMetadata } from './headers.js';
import { Inflow } from './inflow.js';
import { GrpcReply } from './reply.js';
import { GrpcRequests } from './requests.js';

export interface GrpcIntakeParts {
  readonly dispatcher: Dispatcher;
  readonly dialects: Dialects;
  /** The endpoint behind each path. */
  readonly paths: ReadonlyMap<string, string>;
  readonly clock: Clock;
  readonly limits: Required<MessageLimits>;
  /** For how long a stream may carry no item either way, in milliseconds; `0` is for ever. */
  readonly streamIdleMs: number;
  /** Whether replies are packed for callers that can unpack them. */
  readonly gzip: boolean;
}

/** Gives calls that come by gRPC to the dispatcher. */
export class GrpcIntake {
  readonly #parts: GrpcIntakeParts;
  #foreign = false;

  constructor(parts: GrpcIntakeParts) {
    this.#parts = parts;
  }

  /** Whether go-micro has called, whose client does not know what a refusal says of the call. */
  get foreign(): boolean {
    return this.#foreign;
  }

  /** Takes a stream over whose headers are in. */
  take(opened: Opened): void {
    const { stream, headers, unwelcome } = opened;
    const { ':method': method, 'content-type': contentType } = headers;
    if (!isGrpc(contentType)) return notGrpc(stream, 415);
    if (method !== 'POST') return notGrpc(stream, 405);
    let dialect: Dialect | undefined;
    try {
      if (unwelcome !== undefined) throw unwelcome;
      dialect = this.#parts.dialects.of(contentType, headers);
      this.#begin(opened, dialect);
    } catch (reason) {
      const error = OctavoError.from(reason);
      if (stream.destroyed || stream.closed || stream.headersSent) return;
      const { opening = { ':status': 200, 'content-type': 'application/grpc' }, trailers = writeTrailers } =
        dialect ?? {};
      refuse(stream, { ...opening, 'grpc-accept-encoding': GRPC_ENCODINGS, ...trailers(error) });
    }
  }

  #begin({ session, stream, headers, rawHeaders }: Opened, dialect: Dialect): void {
    const { dispatcher, paths, clock, limits } = this.#parts;
    const { ':path': path = '', 'grpc-encoding': named } = headers;
    if (dialect.goMicro) this.#foreign = true;
    const route = dispatcher.admit(paths.get(path) ?? path.slice(0, 200));
    const timeoutMs = timeoutOf(headers, dialect);
    const encoding = grpcEncoding(typeof named === 'string' ? named : undefined);
    const { maxMessageBytes } = limits;
    const { method } = route.endpoint;
    const { remote: address, certificate } = session;
    const { octavo } = dialect;
    const context = dispatcher.context(route, {
      now: clock.now(),
      timeoutMs,
      metadata: () => readMetadata(rawHeaders),
      peer: certificate === undefined ? { address, octavo } : { address, octavo, certificate },
    });
    const inflow = new Inflow({
      encoding,
      maxMessageBytes,
      items: method.kind === 'client' || method.kind === 'bidi',
    });
    const wire = new CallWire(session, stream, inflow, {
      opening: dialect.opening,
      maxBytes: maxMessageBytes,
    });
    inflow.wire = wire;
    inflow.context = context;
    const pulse =
      method.kind === 'unary' ? undefined : streamPulse(method, context, this.#parts.streamIdleMs);
    const gzip = this.#parts.gzip && accepts(headers['grpc-accept-encoding']);
    const sink = new GrpcReply({ wire, method, context, dialect, limits, gzip, pulse });
    dispatcher.dispatch(route, context, requested(route, inflow, dialect, pulse), sink);
    wire.listen();
  }
}

/** The request of a call: what is on its way, or the items as they come. */
function requested(
  { endpoint: { method } }: DispatchRoute,
  inflow: Inflow,
  { codec, goMicro }: Dialect,
  pulse: Pulse | undefined,
): Requested | Promise<Requested> {
  const decode = (body: Uint8Array): unknown => {
    inflow.context?.meter?.received(body.length);
    return readRequest(codec, body, method.request);
  };
  if (pulse === undefined || method.kind === 'server') {
    // go-micro's client opens every stream as one that goes both ways, and leaves its side open.
    const open = goMicro && method.kind === 'server';
    return single(inflow, method.endpoint, decode, open);
  }
  const requests = new GrpcRequests(inflow, decode, pulse);
  return { read: () => requests };
}

/** The one request of a call. Another number of them is `unimplemented`, as gRPC has it. */
async function single(
  inflow: Inflow,
  endpoint: string,
  decode: (body: Uint8Array) => unknown,
  open: boolean,
): Promise<Requested> {
  const body = await inflow.next();
  const more = body === undefined || open ? undefined : await inflow.next();
  if (body !== undefined && more === undefined) return { read: () => decode(body) };
  const what = body === undefined ? 'no request' : 'more than one request';
  throw new OctavoError('unimplemented', `${endpoint} takes one request, and got ${what}`, {
    executed: false,
  });
}

/** Whether a caller unpacks gzip. */
function accepts(named: string | string[] | undefined): boolean {
  return typeof named === 'string' && /(?:^|[ ,])gzip(?:[ ,]|$)/.test(named);
}

/** Says in HTTP what is wrong with what is no gRPC at all. */
function notGrpc(stream: ServerHttp2Stream, status: 405 | 415): void {
  const text = 'this port speaks gRPC: POST with the content type application/grpc\n';
  stream.respond({
    ':status': status,
    'content-type': 'text/plain',
    ...(status === 405 && { allow: 'POST' }),
  });
  stream.end(text);
  stream.resume();
}
