import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { HttpMessage } from '../../core/http-message.js';
import { writeHttp } from '../../core/http-writer.js';
import { isPromise } from '../../core/lifecycle.js';
import { answerProbe, type PROBED, type Probes } from '../../core/probes.js';
import type { Flow } from './flow.js';

export interface WebOptions {
  readonly routes: ((app: FastifyInstance) => void | Promise<void>) | undefined;
  readonly probes: Probes | undefined;
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
}

/** Bytes of a header that are added on the way to the web server. */
const ADDED = 1_024;

/** The web server behind the port: fastify with the probes and the user's routes, loaded when there is first something for it. */
export class Web {
  readonly #options: WebOptions;
  #app: Promise<FastifyInstance> | undefined;
  #server: Server | undefined;

  constructor(options: WebOptions) {
    this.#options = options;
  }

  /** Mounts the user's routes, so that a mistake in them shows at start. Without routes nothing is loaded yet. */
  async start(): Promise<void> {
    if (this.#options.routes !== undefined) await this.#load();
  }

  async stop(): Promise<void> {
    const app = await this.#app?.catch(() => undefined);
    this.#app = undefined;
    await app?.close();
  }

  /** What stands between one connection and the web server. */
  bridge(flow: Flow): Bridge {
    return new Bridge(flow, async (bridge) => {
      await this.#load();
      this.#server?.emit('connection', bridge);
    });
  }

  #load(): Promise<FastifyInstance> {
    return (this.#app ??= this.#make());
  }

  async #make(): Promise<FastifyInstance> {
    const { routes, probes, maxBodyBytes, maxHeaderBytes } = this.#options;
    const { fastify } = await import('fastify');
    const app = fastify({
      bodyLimit: maxBodyBytes,
      serverFactory: (handler: RequestListener) =>
        // No `Keep-Alive` header: it is not the web server that closes the connection.
        (this.#server = createServer(
          { keepAliveTimeout: 0, maxHeaderSize: maxHeaderBytes + ADDED },
          (request, response) => {
            response.once('close', () => bridgeOf(request).done());
            handler(request, response);
          },
        )),
    });
    if (probes !== undefined) for (const path of ['/health', '/ready'] as const) probe(app, path, probes);
    await routes?.(app);
    // One of the user's own is what they want.
    await app.after();
    if (probes !== undefined && !app.hasRoute({ method: 'GET', url: '/metrics' }))
      probe(app, '/metrics', probes);
    await app.ready();
    return app;
  }
}

function probe(app: FastifyInstance, path: (typeof PROBED)[number], probes: Probes): void {
  app.get(path, async (_, reply) => {
    const { status, contentType, text } = await answerProbe(path, probes);
    return reply.code(status).type(contentType).send(text);
  });
}

function bridgeOf(request: IncomingMessage): Bridge {
  // The web server has no other connections than bridges, though Node's types say that all are TCP.
  return request.socket as unknown as Bridge;
}

/**
 * One connection as the web server sees it: it gets the requests that are for it and no others, and what it answers goes out as it is.
 *
 * Requests are whole by then, so one over `maxMessageBytes` never reaches it. Responses may be endless. `Upgrade` is not passed on.
 */
export class Bridge extends Duplex {
  readonly remoteAddress: string;
  /** As Node's own TLS sockets say it: frameworks tell `https` by it. */
  readonly encrypted: boolean;
  readonly #flow: Flow;
  #connect: ((bridge: Bridge) => Promise<void>) | undefined;
  #onDone: (() => void) | undefined;

  constructor(flow: Flow, connect: (bridge: Bridge) => Promise<void>) {
    super();
    this.#flow = flow;
    this.#connect = connect;
    this.encrypted = flow.secured !== undefined;
    this.remoteAddress = flow.remote.slice(0, flow.remote.lastIndexOf(':'));
    // What ends it ends its connection, too.
    this.on('error', () => {});
  }

  /** Gives a request to the web server; `onDone` is called when its response is out. */
  serve(message: HttpMessage, onDone: () => void): void {
    this.#onDone = onDone;
    this.push(
      writeHttp(message.start, message.header, message.body, message.last ? 'Connection: close\r\n' : ''),
    );
    const connect = this.#connect;
    this.#connect = undefined;
    connect?.(this).catch((reason: unknown) => this.destroy(reason instanceof Error ? reason : undefined));
  }

  done(): void {
    const onDone = this.#onDone;
    this.#onDone = undefined;
    onDone?.();
  }

  override _read(): void {
    // What there is to read is pushed by `serve`.
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, written: () => void): void {
    const drained = this.#flow.write(chunk);
    if (isPromise(drained)) void drained.then(() => written());
    else written();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#flow.end();
    callback(error);
  }

  override _final(callback: () => void): void {
    this.#flow.end();
    callback();
  }
}
