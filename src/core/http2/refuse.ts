import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';

/** Answers a stream by headers alone, and reads nothing of it. */
export function refuse(stream: ServerHttp2Stream, headers: OutgoingHttpHeaders): void {
  stream.respond(headers, { endStream: true });
  stream.resume();
  // What is sent there all the same is not read for ever. At once, Node 22 would close it before it has said so.
  setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
}
