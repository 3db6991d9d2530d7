import type { ClientHttp2Session } from 'node:http2';
import type { Socket as TcpSocket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { POOL, type DialOptions, type PoolOptions, type Socket } from '../transport.js';
import { DialledSocket } from './dialled.js';
import type { Rounds } from './rounds.js';
import { Session, type SessionOptions } from './session.js';

/** What the lines of one transport have in common. */
export interface LineOptions extends SessionOptions {
  /** How many connections carry calls before any is full. */
  readonly connections: number;
}

/** A connection that is being opened, and what is under it. */
export interface Opened {
  readonly http2: ClientHttp2Session;
  readonly tcp: TcpSocket;
}

export interface LineParts {
  readonly clock: Clock;
  /** Begins to open a connection of HTTP/2, with TLS under it where there is any. */
  readonly connect: () => MaybePromise<Opened>;
  /** What is wrong, and what to do about it, where it has to do with TLS. */
  readonly explain: (error: Error) => string | undefined;
  readonly rounds: Rounds;
  /** There is nothing left to remember of this address. */
  readonly onEmpty: () => void;
}

/** Somebody who waits for a connection that has room. */
interface Waiting {
  /** Lets it have a stream, or fail. Returns whether there was one to have. */
  readonly settle: (error?: OctavoError) => boolean;
}

/** A connection that is being opened: at first there may be certificates to read. */
interface Opening {
  session?: Session;
}

/** The connections to one address: as few as there may be, since each carries many streams. One is opened at a time, for all who wait. */
export class Line {
  readonly #address: string;
  readonly #options: LineOptions;
  readonly #parts: LineParts;
  readonly #sessions: Session[] = [];
  readonly #waiting = new Set<Waiting>();
  /** Another connection, until its other end has said who it is. */
  #opening: Opening | undefined;
  /** What was said last of the pool, and what that comes to. */
  #given: PoolOptions | undefined;
  #pool: Required<PoolOptions> = POOL;
  #idle: Timer | undefined;

  constructor(address: string, options: LineOptions, parts: LineParts) {
    this.#address = address;
    this.#options = options;
    this.#parts = parts;
  }

  /** A stream on a connection, at once where there is one with room. */
  dial(options: DialOptions): MaybePromise<Socket> {
    const { pool } = options;
    if (pool !== undefined && pool !== this.#given) {
      this.#given = pool;
      this.#pool = { ...POOL, ...pool };
    }
    return this.#stream() ?? this.#wait(options);
  }

  /** Lets nobody wait any longer. */
  stop(): void {
    this.#idle?.cancel();
    const stopped = `the grpc transport was stopped while a call waited for ${this.#address}`;
    this.#fail(new OctavoError('unavailable', stopped, { executed: false }));
    this.#giveUp();
  }

  #stream(): DialledSocket | undefined {
    let best: Session | undefined;
    for (const each of this.#sessions)
      if (each.free && (best === undefined || each.size < best.size)) best = each;
    if (best === undefined) return undefined;
    if (best.size === 0) best.background = false;
    // The call need not wait for it.
    else if (this.#sessions.length < this.#options.connections) this.#openMore();
    return new DialledSocket(best);
  }

  #wait({ timeoutMs = 5_000, cancellation }: DialOptions): MaybePromise<Socket> {
    const { maxQueue, maxConnections } = this.#pool;
    const full = `all ${maxConnections} connections to ${this.#address} are full of calls (maxConnections)`;
    const may = this.#openMore();
    if (this.#waiting.size >= maxQueue)
      throw new OctavoError(
        'resource_exhausted',
        `${maxQueue} calls wait for a connection to ${this.#address} already (maxQueue)`,
        { executed: false },
      );
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        settle: (error) => {
          const stream = error === undefined ? this.#stream() : undefined;
          if (error === undefined && stream === undefined) return false;
          this.#waiting.delete(waiting);
          timer.cancel();
          forget?.();
          if (stream !== undefined) resolve(stream);
          else reject(error);
          if (this.#waiting.size === 0) this.#giveUp();
          return true;
        },
      };
      const late = may
        ? `opening a connection to ${this.#address} took longer than ${Math.round(timeoutMs)} ms`
        : `${full}, and none had room within ${Math.round(timeoutMs)} ms`;
      const timer = this.#parts.clock.after(timeoutMs, () => {
        waiting.settle(new OctavoError('deadline_exceeded', late, { executed: false }));
      });
      this.#waiting.add(waiting);
      const forget = cancellation?.onCancel(waiting.settle);
    });
  }

  /** Opens another connection if there may be one. Returns whether one is being opened. */
  #openMore(): boolean {
    if (this.#opening !== undefined) return true;
    if (this.#sessions.length >= this.#pool.maxConnections) return false;
    const opening = {};
    const opened = this.#connect();
    this.#opening = opening;
    if (isPromise(opened))
      opened.then(
        (it) => this.#begin(opening, it),
        (reason: unknown) => this.#unopened(opening, OctavoError.from(reason)),
      );
    else this.#begin(opening, opened);
    return true;
  }

  #connect(): MaybePromise<Opened> {
    try {
      return this.#parts.connect();
    } catch (reason) {
      this.#forgetEmpty();
      throw reason;
    }
  }

  #begin(opening: Opening, { http2, tcp }: Opened): void {
    const { clock, rounds } = this.#parts;
    const session = new Session(http2, {
      clock,
      options: this.#options,
      tcp,
      dialled: this.#address,
      opened: () => this.#opened(session),
      changed: () => this.#changed(session),
      refused: () => {},
      closed: (error) => {
        rounds.delete(session);
        this.#closed(session, error);
      },
    });
    rounds.add(session);
    // It was given up meanwhile.
    if (this.#opening !== opening) {
      session.destroy();
      return this.#forgetEmpty();
    }
    opening.session = session;
  }

  /** Opens no further what nobody waits for. */
  #giveUp(): void {
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.session?.destroy();
  }

  #opened(session: Session): void {
    this.#opening = undefined;
    this.#sessions.push(session);
    this.#serve();
    if (session.size === 0) this.#rest(session);
  }

  /** Lets those in who wait, as long as there is room. */
  #serve(): void {
    for (const { settle } of this.#waiting) if (!settle()) break;
    if (this.#waiting.size > 0) this.#openMore();
  }

  #changed(session: Session): void {
    if (session.over) {
      this.#remove(session);
      if (session.size === 0) session.end();
    } else if (session.size === 0) this.#rest(session);
    if (this.#waiting.size > 0) this.#serve();
  }

  #closed(session: Session, error: OctavoError | undefined): void {
    const opening = this.#opening;
    if (opening?.session === session) this.#unopened(opening, error);
    this.#remove(session);
    if (this.#waiting.size > 0) this.#serve();
  }

  /** A connection could not be opened, which fails all who wait for it. */
  #unopened(opening: Opening, error: OctavoError | undefined): void {
    if (this.#opening !== opening) return;
    this.#opening = undefined;
    const cause = error?.cause instanceof Error ? error.cause : error;
    // Whoever refused has said why, and what to do.
    if (cause instanceof OctavoError && cause.executed === false) return this.#fail(cause);
    const why = cause?.message ?? 'it closed the connection before it said who it is';
    const what =
      (cause && this.#parts.explain(cause)) ?? `cannot open a connection to ${this.#address}: ${why}`;
    this.#fail(new OctavoError('unavailable', what, { cause, executed: false }));
  }

  #remove(session: Session): void {
    const at = this.#sessions.indexOf(session);
    if (at >= 0) this.#sessions.splice(at, 1);
    this.#forgetEmpty();
  }

  #forgetEmpty(): void {
    if (this.#sessions.length > 0 || this.#opening !== undefined || this.#waiting.size > 0) return;
    this.#idle?.cancel();
    this.#idle = undefined;
    this.#parts.onEmpty();
  }

  #fail(error: OctavoError): void {
    for (const { settle } of [...this.#waiting]) settle(error);
  }

  /** Nothing goes on there: the process may end, and after a while the connection does. */
  #rest(session: Session): void {
    const { size, ttlMs } = this.#pool;
    if (this.#sessions.length > size) return session.end();
    session.background = true;
    this.#idle ??= this.#parts.clock.after(ttlMs, () => this.#endIdle(), { background: true });
  }

  /** Closes what has carried nothing since the last time. */
  #endIdle(): void {
    this.#idle = undefined;
    for (const session of [...this.#sessions]) {
      if (session.size === 0 && session.seen === session.count) session.end();
      else session.seen = session.count;
    }
    if (this.#sessions.length > 0)
      this.#idle = this.#parts.clock.after(this.#pool.ttlMs, () => this.#endIdle(), { background: true });
  }
}
