import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { HttpReader, type HttpLimits, type HttpMessage } from '../../core/http-message.js';
import { HttpWriter } from '../../core/http-writer.js';
import { Metadata } from '../../core/metadata.js';
import type { Cuttable, RequestHead, WholeAsker } from './asking.js';
import { broken } from './faults.js';
import type { Target } from './target.js';

/** How long a connection may be silent before the system asks whether the other end is still there, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;
/** Answers before the answer, such as 103: a server that sends more means no good. */
const MOST_PRELIMINARIES = 8;

export interface WholeLineParts {
  readonly target: Target;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  /** It can carry another call. */
  free(line: WholeLine): void;
  /** It is of no more use. Called once. */
  gone(line: WholeLine): void;
}

/** A connection of HTTP/1.1 that carries whole requests and answers, one after the other. */
export class WholeLine implements Cuttable {
  readonly openedAt: number;
  readonly #tcp: Socket;
  readonly #parts: WholeLineParts;
  readonly #writer = new HttpWriter();
  readonly #reader: HttpReader;
  #asker: WholeAsker | undefined;
  #preliminaries = 0;
  #over = false;

  /** @param tcp a connection that is open */
  constructor(tcp: Socket, parts: WholeLineParts) {
    this.#tcp = tcp;
    this.#parts = parts;
    this.openedAt = parts.clock.now();
    this.#reader = new HttpReader(parts.limits, (message) => this.#came(message));
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true, KEEP_ALIVE_MS);
    tcp.on('data', (bytes: Buffer) => this.#read(bytes));
    tcp.on('end', () => this.#ended());
    tcp.on('error', (cause) => this.#broken(cause));
    tcp.on('close', () => this.#broken(undefined));
  }

  /** Whether nothing can be asked here any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether the process may end while this connection is open. */
  set background(background: boolean) {
    if (background) this.#tcp.unref();
    else this.#tcp.ref();
  }

  /** Asks. The line is the asker's until the answer is there. Throws for a header that cannot be one. */
  ask({ method, path, headers }: RequestHead, body: Uint8Array, asker: WholeAsker): void {
    const pairs = ['host', this.#parts.target.shown, ...headers];
    const bytes = this.#writer.write(`${method} ${path} HTTP/1.1`, Metadata.of(pairs), body);
    this.#asker = asker;
    this.#preliminaries = 0;
    asker.connected();
    this.#tcp.write(bytes);
  }

  cut(): void {
    this.#asker = undefined;
    this.#leave();
  }

  #read(bytes: Buffer): void {
    if (this.#over) return;
    try {
      this.#reader.feed(bytes);
    } catch (reason) {
      this.#fail(unreadable(this.#parts.target, reason));
    }
  }

  #came({ start, header, body, last }: HttpMessage): void {
    const asker = this.#asker;
    // Nobody asked.
    if (asker === undefined) return this.#leave();
    const status = Number(start.slice(9, 12));
    if (status < 200 && status !== 101) {
      if (++this.#preliminaries > MOST_PRELIMINARIES)
        this.#fail(this.#error('answered with too many preliminary responses'));
      return;
    }
    this.#asker = undefined;
    // What is not all sent when its answer comes has no end that another request could follow.
    if (last || status === 101 || this.#tcp.writableLength > 0) this.#leave();
    else this.#parts.free(this);
    asker.wholly({
      status,
      headers: header.pairs,
      body: Buffer.from(body.buffer, body.byteOffset, body.length),
    });
  }

  /** The other end sends no more: an answer without a length ends so. */
  #ended(): void {
    this.#reader.end();
    this.#broken(undefined);
  }

  #broken(cause: NodeJS.ErrnoException | undefined): void {
    const { shown } = this.#parts.target;
    if (this.#reader.partial && cause === undefined)
      this.#fail(this.#error('broke off: the answer has no end'));
    else this.#fail(broken(shown, cause, true));
  }

  #fail(error: OctavoError): void {
    const asker = this.#asker;
    this.#asker = undefined;
    this.#leave();
    asker?.failed(error);
  }

  #leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#tcp.destroy();
    this.#parts.gone(this);
  }

  #error(what: string): OctavoError {
    return new OctavoError('unavailable', `${this.#parts.target.shown} ${what}`);
  }
}

/** What is said of an answer that is no HTTP/1.1, or over a limit. */
function unreadable({ shown }: Target, reason: unknown): OctavoError {
  const { code, message } = OctavoError.from(reason);
  if (code === 'resource_exhausted') return new OctavoError(code, `${shown} answered, but ${message}`);
  return new OctavoError('unavailable', `${shown} does not speak HTTP/1.1: ${message}`, { cause: reason });
}
