import { connect, type Socket as TcpSocket } from 'node:net';
import { parseAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { HttpMessage } from '../../core/http-message.js';
import { Inbox } from '../../core/inbox.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import { codeOf } from '../../core/wire-error.js';
import type { DialOptions, PoolOptions, Socket } from '../transport.js';
import { checkSize, pack } from './accepted.js';
import { Flow, type FlowOptions } from './flow.js';
import { statusOf } from './routing.js';

const STREAM_ROOM = 64;

/** A connection that we opened. It carries one call or one stream at a time, and is free in between. */
class Dialled {
  readonly flow: Flow;
  readonly openedAt: number;
  readonly address: string;
  readonly #onGone: (connection: Dialled) => void;
  current: DialledSocket | undefined;

  constructor(
    tcp: TcpSocket,
    address: string,
    clock: Clock,
    options: FlowOptions,
    onGone: (it: Dialled) => void,
  ) {
    this.address = address;
    this.openedAt = clock.now();
    this.#onGone = onGone;
    this.flow = new Flow(tcp, clock, options, {
      message: (message) => this.#take(message),
      end: () => this.#lost(undefined),
      malformed: (error) => this.#broken(error),
      closed: (error) => {
        this.#lost(error);
        onGone(this);
      },
    });
  }

  #take(message: HttpMessage): void {
    // Nobody asked: whatever this connection carries next would be taken for something else.
    if (this.current === undefined) this.flow.destroy();
    else this.current.take(message);
  }

  #lost(error: OctavoError | undefined): void {
    this.current?.lost(error);
    if (this.current === undefined) this.#onGone(this);
    this.flow.end();
  }

  #broken(error: OctavoError): void {
    const reason =
      error.code === 'invalid_argument'
        ? new OctavoError('unavailable', `${this.address} does not speak this protocol: ${error.message}`, {
            cause: error,
          })
        : error;
    this.current?.lost(reason);
    this.flow.destroy();
  }
}

/** One call or one stream on a connection that we opened. */
class DialledSocket implements Socket {
  readonly #connection: Dialled;
  readonly #limits: FlowOptions;
  readonly #stream: boolean;
  readonly #release: (connection: Dialled, reuse: boolean) => void;
  readonly #inbox: Inbox<Message>;
  #start: string;
  #sent = 0;
  #received = 0;
  #reusable = true;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  constructor(
    connection: Dialled,
    stream: boolean,
    limits: FlowOptions,
    release: (connection: Dialled, reuse: boolean) => void,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#limits = limits;
    this.#release = release;
    this.#start = `POST / HTTP/1.1\r\nHost: ${connection.address}`;
    this.#inbox = new Inbox<Message>(STREAM_ROOM, () => connection.flow.resume());
  }

  get local(): string {
    return this.#connection.flow.local;
  }
  get remote(): string {
    return this.#connection.address;
  }

  send(message: Message): MaybePromise<void> {
    if (this.#over !== undefined) return;
    checkSize(message, this.#limits);
    const bytes = pack(this.#start, message, this.#limits);
    this.#sent++;
    return this.#connection.flow.write(bytes);
  }

  receive(): MaybePromise<Message | undefined> {
    return this.#inbox.take();
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  close(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    const { flow } = this.#connection;
    const reuse =
      !this.#stream && this.#sent === 1 && this.#received === 1 && this.#reusable && !flow.partial;
    this.#connection.current = undefined;
    this.#finish(undefined);
    this.#release(this.#connection, reuse);
    if (reuse) return;
    // A stream, or a call without its reply: closing is the only way to say that nobody waits.
    if (error !== undefined) flow.reset();
    else if (this.#stream) flow.end();
    else flow.destroy();
  }

  take(message: HttpMessage): void {
    this.#received++;
    if (message.last) this.#reusable = false;
    const status = statusOf(message.start);
    if (status < 200) return;
    if (status !== 200) return this.lost(refusal(this.remote, status, message));
    if (this.#inbox.push(message)) return;
    this.#connection.flow.pause();
  }

  lost(error: OctavoError | undefined): void {
    if (this.#over !== undefined) return;
    this.#connection.current = undefined;
    this.#finish(error ?? (this.#stream || this.#received > 0 ? undefined : this.#unanswered()));
    this.#release(this.#connection, false);
    this.#connection.flow.end();
  }

  #unanswered(): OctavoError {
    return new OctavoError('unavailable', `${this.remote} closed the connection without an answer`);
  }

  #finish(error: OctavoError | undefined): void {
    this.#over = { error };
    this.#inbox.end(error);
    this.#onClose?.(error);
  }
}

function refusal(address: string, status: number, { body }: HttpMessage): OctavoError {
  const text = Buffer.from(body.subarray(0, 200)).toString('utf8').trim();
  return new OctavoError(
    codeOf(status),
    `${address} answered with the HTTP status ${status}${text && `: ${text}`}`,
  );
}

/** The connections that we opened, and those of them that are free: the newest first, as go-micro's pool has it. */
export class Dialler {
  readonly #clock: Clock;
  readonly #options: FlowOptions;
  readonly #all = new Set<Dialled>();
  readonly #idle = new Map<string, Dialled[]>();
  #sweep: Timer | undefined;
  #ttlMs = 60_000;
  #destroyed = false;

  constructor(clock: Clock, options: FlowOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  dial(address: string, options: DialOptions): MaybePromise<Socket> {
    const free = options.stream === true ? undefined : this.#free(address, options.pool);
    return free === undefined ? this.#open(address, options) : this.#socket(free, options);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#sweep?.cancel();
    this.#sweep = undefined;
    for (const connection of this.#all) connection.flow.destroy();
    this.#idle.clear();
  }

  #free(address: string, { ttlMs = 60_000 }: PoolOptions = {}): Dialled | undefined {
    const idle = this.#idle.get(address);
    for (let one = idle?.pop(); one !== undefined; one = idle?.pop()) {
      if (!one.flow.closed && this.#clock.now() - one.openedAt < ttlMs) {
        one.flow.background = false;
        return one;
      }
      one.flow.end();
    }
    return undefined;
  }

  async #open(address: string, options: DialOptions): Promise<Socket> {
    const tcp = await open(address, options, this.#clock);
    if (this.#destroyed) {
      tcp.destroy();
      throw new OctavoError('unavailable', `the http transport was stopped while it dialled ${address}`, {
        executed: false,
      });
    }
    const connection = new Dialled(tcp, address, this.#clock, this.#options, (it) => this.#gone(it));
    this.#all.add(connection);
    return this.#socket(connection, options);
  }

  #socket(connection: Dialled, { stream = false, pool }: DialOptions): Socket {
    const socket = new DialledSocket(connection, stream, this.#options, (it, reuse) => {
      if (reuse) this.#keep(it, pool);
    });
    connection.current = socket;
    return socket;
  }

  #keep(connection: Dialled, { size = 100, ttlMs = 60_000 }: PoolOptions = {}): void {
    const { address, flow } = connection;
    const idle = this.#idle.get(address) ?? [];
    if (idle.length >= size || this.#clock.now() - connection.openedAt >= ttlMs) return flow.end();
    idle.push(connection);
    this.#idle.set(address, idle);
    flow.background = true;
    this.#ttlMs = ttlMs;
    this.#sweep ??= this.#clock.after(ttlMs, () => this.#sweepIdle(), { background: true });
  }

  /** Lets go of what is idle and too old to be used again. */
  #sweepIdle(): void {
    this.#sweep = undefined;
    const now = this.#clock.now();
    for (const [address, idle] of this.#idle) {
      const young = idle.filter(({ openedAt }) => now - openedAt < this.#ttlMs);
      for (const old of idle) if (!young.includes(old)) old.flow.end();
      if (young.length === 0) this.#idle.delete(address);
      else this.#idle.set(address, young);
    }
    if (this.#idle.size > 0)
      this.#sweep = this.#clock.after(this.#ttlMs, () => this.#sweepIdle(), { background: true });
  }

  #gone(connection: Dialled): void {
    this.#all.delete(connection);
    const idle = this.#idle.get(connection.address);
    const at = idle?.indexOf(connection) ?? -1;
    if (at >= 0) idle?.splice(at, 1);
  }
}

/** Opens a TCP connection, within the time and unless it is given up. */
function open(
  address: string,
  { timeoutMs = 5_000, cancellation }: DialOptions,
  clock: Clock,
): Promise<TcpSocket> {
  const { host, port } = parseAddress(address);
  if (cancellation?.cancelled !== undefined) return Promise.reject(cancellation.cancelled);
  return new Promise((resolve, reject) => {
    const tcp = connect({ host: host === '' ? '127.0.0.1' : host, port, allowHalfOpen: true });
    const settle = (error?: OctavoError): void => {
      timer.cancel();
      forget?.();
      tcp.off('connect', opened);
      tcp.off('error', failed);
      if (error === undefined) return resolve(tcp);
      // Nobody listens for what may still happen to it.
      tcp.on('error', () => {});
      tcp.destroy();
      reject(error);
    };
    const opened = (): void => settle();
    const failed = (cause: Error): void =>
      settle(
        new OctavoError('unavailable', `nobody answers at ${address}: ${cause.message}`, {
          cause,
          executed: false,
        }),
      );
    const timer = clock.after(timeoutMs, () =>
      settle(
        new OctavoError(
          'deadline_exceeded',
          `opening a connection to ${address} took longer than ${timeoutMs} ms`,
          {
            executed: false,
          },
        ),
      ),
    );
    const forget = cancellation?.onCancel(settle);
    tcp.once('connect', opened);
    tcp.once('error', failed);
  });
}
