import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from './clock.js';
import { OctavoError } from './error.js';
import { parseHttpAddress, type HttpAddress } from './http-address.js';
import { findServer } from './find-server.js';
import { HttpAgents } from './http-agents.js';
import { answered, basic, written } from './http-request.js';
import type { MaybePromise } from './lifecycle.js';
import type { Logger } from './logger.js';
import { Silence } from './silence.js';
import { Certificates, checkOf, type DialTls } from './tls.js';
import { tlsFault } from './tls-fault.js';

/** Where a server is that speaks JSON over HTTP, and how it is reached. */
export interface JsonHttpOptions {
  /** `host:port`, or `https://user:pass@host:port`; the next one is asked where one cannot be reached. */
  readonly addresses: readonly string[];
  /** The port of addresses that have none. */
  readonly port: number;
  /** Certificates; with it, addresses without a scheme are of TLS. */
  readonly tls?: DialTls;
  /** What each request says, such as a token; asked for anew each time. */
  readonly headers?: () => MaybePromise<Readonly<Record<string, string>>>;
  /** For how long a request may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of the longest answer. @defaultValue 64 MiB */
  readonly maxBodyBytes?: number;
}

export interface JsonHttpParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface JsonRequest {
  /** @defaultValue `'GET'` */
  readonly method?: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** With the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Is sent as JSON; a text or a form as it is. */
  readonly body?: unknown;
  /** For how long nothing may come, in milliseconds, instead of the usual. */
  readonly timeoutMs?: number;
  /** Whether the answer may be long in coming: it takes no place from others, and does not keep the process up. */
  readonly waits?: boolean;
  readonly signal?: AbortSignal;
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What the JSON says, or the text where it is none. */
  readonly body: unknown;
}

const MOST_BYTES = 64 * 1024 * 1024;
/** Bytes of the longest line of a stream. */
const LONGEST_LINE = 8 * 1024 * 1024;

/** Asks a server that speaks JSON over HTTP. Connections are kept. No error shows a header or what stands before an `@`. */
export class JsonHttp {
  /** Its servers, without credentials. */
  readonly where: string;
  readonly #who: string;
  readonly #options: JsonHttpOptions;
  readonly #parts: JsonHttpParts;
  readonly #addresses: readonly HttpAddress[];
  readonly #certificates: Certificates | undefined;
  #agents: HttpAgents | undefined;
  /** The address that is asked first. */
  #first = 0;

  /** @param who what errors call its owner: `the consul registry` */
  constructor(who: string, options: JsonHttpOptions, parts: JsonHttpParts) {
    this.#who = who;
    this.#options = options;
    this.#parts = parts;
    const parsed = options.addresses.map((each) => parseHttpAddress(each, options.port));
    const secure = options.tls !== undefined || parsed.some(({ tls }) => tls);
    this.#certificates = secure ? new Certificates(who, options.tls ?? {}, parts) : undefined;
    this.#addresses = parsed.map((each, n) => ({
      ...each,
      tls: each.tls || (options.tls !== undefined && !/^http:/.test(options.addresses[n] ?? '')),
    }));
    this.where = parsed.map(({ shown }) => shown).join(', ');
  }

  /** Reads certificates. Nothing is connected before something is asked. */
  async start(): Promise<void> {
    this.#agents ??= new HttpAgents(this.#addresses.some(({ tls }) => tls));
    await this.#certificates?.start();
  }

  /** Closes every connection: what is under way ends with `unavailable`. */
  stop(): void {
    this.#agents?.close();
    this.#agents = undefined;
    this.#certificates?.stop();
  }

  /** Tries until somebody is there, for so long: see {@link findServer}. */
  find(what: string, atMostMs: number, ask: () => Promise<void>): Promise<void> {
    const stopped = (): boolean => this.#agents === undefined;
    return findServer({
      who: this.#who,
      what,
      where: this.where,
      atMostMs,
      clock: this.#parts.clock,
      stopped,
      ask,
    });
  }

  /** Asks, whatever the status of the answer. Rejects with `unavailable` where there is none in time, with `cancelled` by the signal. */
  async ask(request: JsonRequest): Promise<JsonAnswer> {
    return this.#somewhere(request, async (message) => {
      const { statusCode: status = 0, headers } = message;
      const bytes = await this.#whole(message);
      return { status, headers, body: this.#read(bytes, headers) };
    });
  }

  /** Asks for an answer that is long in coming: `undefined` where there is none in time. */
  async wait(request: Omit<JsonRequest, 'waits'>): Promise<JsonAnswer | undefined> {
    const late = new AbortController();
    const { timeoutMs = this.#options.timeoutMs, signal } = request;
    const timer = this.#parts.clock.after(timeoutMs, () => late.abort(), { background: true });
    const end = (): void => late.abort();
    signal?.addEventListener('abort', end);
    if (signal?.aborted === true) end();
    try {
      return await this.ask({ ...request, timeoutMs: 2 * timeoutMs, waits: true, signal: late.signal });
    } catch (reason) {
      if (late.signal.aborted && signal?.aborted !== true) return undefined;
      throw reason;
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', end);
    }
  }

  /**
   * Asks, and gives each line of the answer as it comes. The time is how long it may be silent.
   *
   * An answer with another status than 200 is given to `refused`, whole, which throws what it means.
   */
  async *lines(request: JsonRequest, refused: (answer: JsonAnswer) => never): AsyncGenerator<unknown> {
    const stream = new Silence(
      this.#parts.clock,
      request.timeoutMs ?? this.#options.timeoutMs,
      request.signal,
    );
    try {
      const message = await this.#open(request, stream);
      const { statusCode: status = 0, headers } = message;
      if (status !== 200) {
        refused({ status, headers, body: this.#read(await this.#whole(message), headers) });
      }
      let rest = '';
      message.setEncoding('utf8');
      for await (const chunk of message as AsyncIterable<string>) {
        stream.heard();
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > LONGEST_LINE) throw this.#tooLong('a line', LONGEST_LINE);
        for (const line of lines) if (line !== '') yield this.#parse(line);
      }
    } catch (reason) {
      throw this.#failure(reason, stream, this.#address());
    } finally {
      stream.end();
    }
  }

  async #somewhere<T>(request: JsonRequest, read: (message: IncomingMessage) => Promise<T>): Promise<T> {
    const silence = new Silence(
      this.#parts.clock,
      request.timeoutMs ?? this.#options.timeoutMs,
      request.signal,
    );
    try {
      return await read(await this.#open(request, silence));
    } catch (reason) {
      throw this.#failure(reason, silence, this.#address());
    } finally {
      silence.end();
    }
  }

  /** The answer's head, from the first address that can be reached. */
  async #open(request: JsonRequest, silence: Silence): Promise<IncomingMessage> {
    for (let tried = 1; ; tried++) {
      const address = this.#address();
      try {
        return await this.#send(address, request, silence);
      } catch (reason) {
        // A place that cannot be reached, or went away, is the last to be asked the next time; others may have said so already.
        if (address === this.#address() && !silence.aborted)
          this.#first = (this.#first + 1) % this.#addresses.length;
        const failure = this.#failure(reason, silence, address);
        if (tried >= this.#addresses.length || failure.executed !== false || silence.over) throw failure;
      }
    }
  }

  #address(): HttpAddress {
    // There is at least one, and the place of the first is among them.
    return this.#addresses[this.#first] as HttpAddress;
  }

  async #send(address: HttpAddress, request: JsonRequest, silence: Silence): Promise<IncomingMessage> {
    const agents = this.#agents;
    if (agents === undefined)
      throw new OctavoError('failed_precondition', `${this.#who} is not started: call start() first`);
    const { method = 'GET', path, waits = false } = request;
    const { type, bytes } = written(request.body);
    const headers = {
      accept: 'application/json',
      ...(type !== undefined && { 'content-type': type }),
      ...(bytes !== undefined && { 'content-length': String(bytes.length) }),
      ...basic(address),
      ...(await this.#options.headers?.()),
      ...request.headers,
    };
    const { host, port, tls } = address;
    const options = { method, path, host, port, headers, agent: agents.of(tls, waits) };
    const secured =
      tls && this.#certificates
        ? {
            ...checkOf(host, this.#certificates.policy),
            secureContext: await this.#certificates.forClient(),
          }
        : {};
    if (silence.over) throw new Error('it was over before it was sent');
    for (;;) {
      const sent = tls ? httpsRequest({ ...options, ...secured }) : httpRequest(options);
      if (waits) sent.once('socket', (socket) => socket.unref());
      try {
        return await answered(sent, bytes, silence);
      } catch (reason) {
        // The server may close a connection that was kept just as it is used again. Each one is tried once.
        if (!sent.reusedSocket || method === 'POST' || silence.over) throw reason;
      }
    }
  }

  async #whole(message: IncomingMessage): Promise<Buffer> {
    const { maxBodyBytes = MOST_BYTES } = this.#options;
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of message as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > maxBodyBytes) {
        message.destroy();
        throw this.#tooLong('an answer', maxBodyBytes);
      }
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  #read(bytes: Buffer, headers: IncomingHttpHeaders): unknown {
    const text = bytes.toString('utf8');
    return /\bjson\b/.test(headers['content-type'] ?? '') && text !== '' ? this.#parse(text) : text;
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new OctavoError('unavailable', `${this.#who} got an answer from ${this.where} that is no JSON`, {
        cause,
      });
    }
  }

  #tooLong(what: string, bytes: number): OctavoError {
    return new OctavoError(
      'resource_exhausted',
      `${this.#who} got ${what} from ${this.where} that is longer than ${bytes} bytes`,
    );
  }

  #failure(reason: unknown, silence: Silence, { shown }: HttpAddress): OctavoError {
    if (reason instanceof OctavoError) return reason;
    if (silence.aborted) return new OctavoError('cancelled', `${this.#who} was told to stop asking ${shown}`);
    if (silence.over)
      return new OctavoError(
        'unavailable',
        `${this.#who} got no answer from ${shown} within ${silence.ms} ms`,
      );
    const cause = reason as NodeJS.ErrnoException; // Node's own: nothing else is thrown here
    const what =
      tlsFault(shown, cause) ?? (cause.code === 'ECONNREFUSED' ? 'connection refused' : cause.message);
    const unsent = /^(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/.test(cause.code ?? '');
    return new OctavoError('unavailable', `${this.#who} cannot reach ${shown}: ${what}`, {
      cause,
      ...((unsent || tlsFault(shown, cause) !== undefined) && { executed: false }),
    });
  }
}
