import { createServer, STATUS_CODES, type RequestListener, type Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { OctavoError, type Code } from '../../core/error.js';
import type { Refusals } from '../../core/refusals.js';
import { writeConnectError } from '../../schema/connect-error.js';
import { hostOf } from './hosts.js';
import type { HttpLimits } from './limits.js';

/** A fastify that listens nowhere: connections, and requests, are given to it. */
export interface Web {
  readonly app: FastifyInstance;
  /** Takes connections of HTTP/1.1. */
  readonly http1: HttpServer;
  /** Takes requests, by whichever version of HTTP they came. */
  readonly serve: RequestListener;
  /** Has callers by HTTP/1.1 told with their next answer that there will be no other on its connection. */
  leave(): void;
}

/** How often connections are looked at, in milliseconds. */
const LOOK_MS = { most: 1_000, least: 10 };

/** Makes the web server behind a port. */
export async function newWeb(limits: HttpLimits, refusals: Refusals): Promise<Web> {
  const { fastify } = await import('fastify');
  const { maxMessageBytes, maxHeaderBytes, maxHeaders, timeoutMs, headerTimeoutMs, idleMs } = limits;
  let made: Pick<Web, 'http1' | 'serve'> | undefined;
  let leaving = false;
  const app = fastify({
    bodyLimit: maxMessageBytes,
    routerOptions: { maxParamLength: maxHeaderBytes },
    clientErrorHandler: (error, socket) => refuse(error, socket, refusals),
    serverFactory(serve) {
      const http1 = createServer(
        {
          maxHeaderSize: maxHeaderBytes,
          headersTimeout: headerTimeoutMs,
          // A stream of requests takes as long as it takes: the times of bodies are kept by those who read them.
          requestTimeout: 0,
          keepAliveTimeout: idleMs,
          connectionsCheckingInterval: Math.max(LOOK_MS.least, Math.min(LOOK_MS.most, headerTimeoutMs)),
        },
        (request, response) => {
          if (leaving) response.shouldKeepAlive = false;
          serve(request, response);
        },
      );
      // One more, so that it is seen that there are too many.
      http1.maxHeadersCount = maxHeaders + 1;
      // Nothing has moved for so long: where something waits to leave, nobody takes it.
      http1.setTimeout(timeoutMs, (socket: Socket) => {
        if (socket.writableLength > 0) socket.destroy();
      });
      // What listens is the port. Without this nobody would look whether a header takes too long.
      http1.emit('listening');
      made = { http1, serve };
      return http1;
    },
  });
  if (made === undefined) throw new OctavoError('internal', 'fastify has made no server');
  return { app, ...made, leave: () => void (leaving = true) };
}

interface Fault {
  readonly status: number;
  readonly code: Code;
  readonly what: string;
}

/** By the codes of Node's parser. */
const FAULTS: Readonly<Record<string, Fault>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'resource_exhausted',
    what: 'the header is too long, or has too many fields (maxHeaderBytes, maxHeaders)',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'deadline_exceeded',
    what: 'a header did not arrive in time (headerTimeoutMs)',
  },
};

/** Says why to who sends what is no request, and closes. */
function refuse(error: NodeJS.ErrnoException, socket: Socket, refusals: Refusals): void {
  // Who just left is no news.
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const { status, code, what } = FAULTS[error.code ?? ''] ?? {
    status: 400,
    code: 'invalid_argument',
    what: `it is no HTTP/1.1: ${error.message}`,
  };
  const refusal = new OctavoError(code, what, { executed: false });
  refusals.note(hostOf(socket), refusal);
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify(writeConnectError(refusal));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
