import type { IncomingHttpHeaders } from 'node:http';
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2';

/** What came back of a call that was made frame by frame. */
export interface RawReply {
  /** `grpc-status`, from the trailer or a head that is all there is; `undefined` where there is none. */
  readonly status: string | undefined;
  readonly message: string | undefined;
  readonly http: number | undefined;
  /** Why HTTP/2 ended the stream: 0 in order. */
  readonly reset: number;
}

export interface RawCall {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array;
  /** Whether the caller says that it is done. @defaultValue `true` */
  readonly end?: boolean;
}

/** A connection that speaks HTTP/2, and gRPC only as far as it is told. */
export class RawGrpc {
  readonly session: ClientHttp2Session;

  constructor(address: string) {
    this.session = connect(`http://${address}`);
    this.session.on('error', () => {});
  }

  /** Opens a call, of which nothing is read before somebody reads. */
  open(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request(
      { ':path': path, ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers', ...headers },
      { endStream: false },
    );
    stream.on('error', () => {});
    return stream;
  }

  /** Makes a call and waits for its status, or for the end of the stream. */
  call(path: string, { headers = {}, body, end = true }: RawCall = {}): Promise<RawReply> {
    return new Promise((resolve) => {
      const stream = this.open(path, headers);
      let reply: Omit<RawReply, 'reset'> = { status: undefined, message: undefined, http: undefined };
      const note = (head: IncomingHttpHeaders & { readonly ':status'?: number }): void => {
        const { 'grpc-status': status, 'grpc-message': message, ':status': http } = head;
        reply = {
          status: typeof status === 'string' ? status : reply.status,
          message: typeof message === 'string' ? message : reply.message,
          http: http ?? reply.http,
        };
        // A caller that does not end its side is told all the same.
        if (!end && reply.status !== undefined) stream.close();
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('close', () => resolve({ ...reply, reset: stream.rstCode ?? 0 }));
      stream.resume();
      if (body !== undefined) stream.write(body);
      if (end) stream.end();
    });
  }

  close(): void {
    this.session.destroy();
  }
}

/** A message with gRPC's five bytes before it. */
export function framed(body: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0, 0);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}
