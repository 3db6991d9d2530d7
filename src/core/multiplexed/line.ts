import type { Clock, Timer } from '../clock.js';
import type { Cancellation } from '../context.js';
import { OctavoError } from '../error.js';
import { isPromise, type MaybePromise } from '../lifecycle.js';
import { POOL, type PoolOptions } from '../pool.js';
import type { PoolStats } from '../pool-stats.js';

/** A connection that carries many calls and streams. */
export interface Multiplexed {
  /** How many calls and streams there are on it. */
  readonly size: number;
  /** How many there have been; how many there had been when its {@link Line} looked last. */
  readonly count: number;
  seen: number;
  /** Whether one can be opened now. */
  readonly free: boolean;
  /** Whether none can be opened any more. */
  readonly over: boolean;
  /** Whether the process may end while it is open. */
  set background(background: boolean);
  /** Writes what is left, and closes. */
  end(): void;
  destroy(): void;
}

/** How somebody waits for a call or stream to be had. */
export interface LineWanted {
  /** For how long opening may take, in milliseconds. @defaultValue `5_000` */
  readonly timeoutMs?: number;
  /** Gives the waiting up. A call's context is one. */
  readonly cancellation?: Cancellation | undefined;
  readonly pool?: PoolOptions | undefined;
}

/** What a line is told of a connection. */
export interface LineEvents {
  /** Its other end has said who it is: calls and streams can be opened. */
  opened(): void;
  /** A call or stream is over, or no more can be opened. */
  changed(): void;
  /** It is closed, with an error where that was not in order. */
  closed(error: OctavoError | undefined): void;
}

/** How the connections to one address are made. `Opened` is what they stand on, and `S` is a call or stream on one. */
export interface LineParts<C extends Multiplexed, Opened, S> {
  /** What errors call their owner: `the tcp transport`. */
  readonly who: string;
  readonly clock: Clock;
  /** How many connections carry calls before any is full. */
  readonly connections: number;
  /** Begins to open what a connection stands on, with TLS where there is any. */
  readonly connect: () => MaybePromise<Opened>;
  readonly begin: (opened: Opened, events: LineEvents) => C;
  /** A call or stream on a connection that is free. */
  readonly socket: (connection: C) => S;
  /** What is wrong, and what to do about it, where it has to do with TLS. */
  readonly explain: (error: Error) => string | undefined;
  /** There is nothing left to remember of this address. */
  readonly onEmpty: () => void;
}

/** Somebody who waits for a connection that has room. */
interface Waiting {
  /** Lets it have a stream, or fail. Returns whether there was one to have. */
  readonly settle: (error?: OctavoError) => boolean;
}

/** A connection that is being opened: at first there may be certificates to read. */
interface Opening<C> {
  connection?: C;
}

/** The connections to one address: as few as there may be, since each carries many streams. One is opened at a time, for all who wait. */
export class Line<C extends Multiplexed, Opened, S> {
  readonly #address: string;
  readonly #parts: LineParts<C, Opened, S>;
  readonly #connections: C[] = [];
  readonly #waiting = new Set<Waiting>();
  /** Another connection, until its other end has said who it is. */
  #opening: Opening<C> | undefined;
  /** What was said last of the pool, and what that comes to. */
  #given: PoolOptions | undefined;
  #pool: Required<PoolOptions> = POOL;
  #idle: Timer | undefined;

  constructor(address: string, parts: LineParts<C, Opened, S>) {
    this.#address = address;
    this.#parts = parts;
  }

  get stats(): PoolStats {
    const idle = this.#connections.filter(({ size }) => size === 0).length;
    return { open: this.#connections.length, idle, waiting: this.#waiting.size };
  }

  /** A stream on a connection, at once where there is one with room. */
  dial(options: LineWanted): MaybePromise<S> {
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
    const stopped = `${this.#parts.who} was stopped while a call waited for ${this.#address}`;
    this.#fail(new OctavoError('unavailable', stopped, { executed: false }));
    this.#giveUp();
  }

  #stream(): S | undefined {
    let best: C | undefined;
    for (const each of this.#connections)
      if (each.free && (best === undefined || each.size < best.size)) best = each;
    if (best === undefined) return undefined;
    if (best.size === 0) best.background = false;
    // The call need not wait for it.
    else if (this.#connections.length < this.#parts.connections) this.#openMore();
    return this.#parts.socket(best);
  }

  #wait({ timeoutMs = 5_000, cancellation }: LineWanted): MaybePromise<S> {
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
    if (this.#connections.length >= this.#pool.maxConnections) return false;
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

  #begin(opening: Opening<C>, opened: Opened): void {
    const connection = this.#parts.begin(opened, {
      opened: () => this.#opened(connection),
      changed: () => this.#changed(connection),
      closed: (error) => this.#closed(connection, error),
    });
    // It was given up meanwhile.
    if (this.#opening !== opening) {
      connection.destroy();
      return this.#forgetEmpty();
    }
    opening.connection = connection;
  }

  /** Opens no further what nobody waits for. */
  #giveUp(): void {
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.connection?.destroy();
  }

  #opened(connection: C): void {
    this.#opening = undefined;
    this.#connections.push(connection);
    this.#serve();
    if (connection.size === 0) this.#rest(connection);
  }

  /** Lets those in who wait, as long as there is room. */
  #serve(): void {
    for (const { settle } of this.#waiting) if (!settle()) break;
    if (this.#waiting.size > 0) this.#openMore();
  }

  #changed(connection: C): void {
    if (connection.over) {
      this.#remove(connection);
      if (connection.size === 0) connection.end();
    } else if (connection.size === 0) this.#rest(connection);
    if (this.#waiting.size > 0) this.#serve();
  }

  #closed(connection: C, error: OctavoError | undefined): void {
    const opening = this.#opening;
    if (opening?.connection === connection) this.#unopened(opening, error);
    this.#remove(connection);
    if (this.#waiting.size > 0) this.#serve();
  }

  /** A connection could not be opened, which fails all who wait for it. */
  #unopened(opening: Opening<C>, error: OctavoError | undefined): void {
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

  #remove(connection: C): void {
    const at = this.#connections.indexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
    this.#forgetEmpty();
  }

  #forgetEmpty(): void {
    if (this.#connections.length > 0 || this.#opening !== undefined || this.#waiting.size > 0) return;
    this.#idle?.cancel();
    this.#idle = undefined;
    this.#parts.onEmpty();
  }

  #fail(error: OctavoError): void {
    for (const { settle } of [...this.#waiting]) settle(error);
  }

  /** Nothing goes on there: the process may end, and after a while the connection does. */
  #rest(connection: C): void {
    const { size, ttlMs } = this.#pool;
    if (this.#connections.length > size) return connection.end();
    connection.background = true;
    this.#idle ??= this.#parts.clock.after(ttlMs, () => this.#endIdle(), { background: true });
  }

  /** Closes what has carried nothing since the last time. */
  #endIdle(): void {
    this.#idle = undefined;
    for (const connection of [...this.#connections]) {
      if (connection.size === 0 && connection.seen === connection.count) connection.end();
      else connection.seen = connection.count;
    }
    if (this.#connections.length > 0)
      this.#idle = this.#parts.clock.after(this.#pool.ttlMs, () => this.#endIdle(), { background: true });
  }
}
