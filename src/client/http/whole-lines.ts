import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { HttpLimits } from '../../core/http-message.js';
import { isPromise } from '../../core/lifecycle.js';
import type { PoolOptions } from '../../core/pool.js';
import { inAll, type PoolStats } from '../../core/pool-stats.js';
import { checkOf, type Certificates } from '../../core/tls.js';
import type { Cuttable, RequestHead, WholeAsker, WholeConnections } from './asking.js';
import { broken } from './faults.js';
import type { Target } from './target.js';
import { WholeLine } from './whole-line.js';

export interface WholeLinesParts {
  readonly clock: Clock;
  readonly certificates: Certificates;
  readonly pool: Required<PoolOptions>;
  readonly dialTimeoutMs: number;
  readonly limits: HttpLimits;
}

/** Something to ask that waits for a connection. */
interface Waiting {
  readonly ask: (line: WholeLine) => void;
  readonly fail: (error: OctavoError) => void;
}

/** Calls by HTTP/1.1 whose requests and answers are whole, on connections that are kept: Node's own client takes several times as long. */
export class WholeLines implements WholeConnections {
  readonly #parts: WholeLinesParts;
  readonly #pools = new Map<string, Lines>();

  constructor(parts: WholeLinesParts) {
    this.#parts = parts;
  }

  call(target: Target, head: RequestHead, body: Uint8Array, asker: WholeAsker): Cuttable {
    return this.#pool(target).call(head, body, asker);
  }

  get stats(): PoolStats {
    return inAll(this.#pools.values());
  }

  destroy(): void {
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }

  #pool(target: Target): Lines {
    const key = target.tls ? `tls ${target.shown}` : target.shown;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new Lines(target, this.#parts, () => this.#pools.delete(key));
      this.#pools.set(key, pool);
    }
    return pool;
  }
}

/** The connections to one address. */
class Lines {
  readonly #target: Target;
  readonly #parts: WholeLinesParts;
  readonly #onEmpty: () => void;
  readonly #free: WholeLine[] = [];
  readonly #all = new Set<WholeLine>();
  readonly #waiting = new Set<Waiting>();
  /** Those that are being opened. */
  readonly #opening = new Set<Cuttable>();
  #sweep: Timer | undefined;

  constructor(target: Target, parts: WholeLinesParts, onEmpty: () => void) {
    this.#target = target;
    this.#parts = parts;
    this.#onEmpty = onEmpty;
  }

  get stats(): PoolStats {
    return { open: this.#all.size, idle: this.#free.length, waiting: this.#waiting.size };
  }

  call(head: RequestHead, body: Uint8Array, asker: WholeAsker): Cuttable {
    const line = this.#take();
    if (line !== undefined) {
      this.#ask(line, head, body, asker);
      return line;
    }
    return this.#wait(head, body, asker);
  }

  destroy(): void {
    this.#sweep?.cancel();
    for (const { fail } of [...this.#waiting])
      fail(new OctavoError('unavailable', 'the http client was stopped', { executed: false }));
    for (const opening of [...this.#opening]) opening.cut();
    for (const line of [...this.#all]) line.cut();
  }

  /** A connection that carries nothing, and is not too old. */
  #take(): WholeLine | undefined {
    for (let line = this.#free.pop(); line !== undefined; line = this.#free.pop()) {
      if (!this.#isOld(line)) {
        line.background = false;
        return line;
      }
      line.cut();
    }
    return undefined;
  }

  #isOld({ openedAt }: WholeLine): boolean {
    const { clock, pool } = this.#parts;
    return clock.now() - openedAt >= pool.ttlMs;
  }

  /** A header that cannot be one is the caller's fault, and harms no connection. */
  #ask(line: WholeLine, head: RequestHead, body: Uint8Array, asker: WholeAsker): void {
    try {
      line.ask(head, body, asker);
    } catch (reason) {
      this.#freed(line);
      throw reason;
    }
  }

  #wait(head: RequestHead, body: Uint8Array, asker: WholeAsker): Cuttable {
    const { maxConnections, maxQueue } = this.#parts.pool;
    const room = this.#all.size + this.#opening.size < maxConnections;
    // Each connection that is being opened is for one who waits.
    if (!room && this.#waiting.size - this.#opening.size >= maxQueue)
      throw new OctavoError(
        'resource_exhausted',
        `${maxQueue} calls wait for a connection to ${this.#target.shown} already (maxQueue)`,
        { executed: false },
      );
    let line: WholeLine | undefined;
    const waiting: Waiting = {
      ask: (given) => {
        this.#waiting.delete(waiting);
        line = given;
        try {
          this.#ask(given, head, body, asker);
        } catch (reason) {
          asker.failed(OctavoError.from(reason));
        }
      },
      fail: (error) => {
        this.#waiting.delete(waiting);
        asker.failed(error);
      },
    };
    this.#waiting.add(waiting);
    if (room) this.#open();
    return {
      cut: () => {
        this.#waiting.delete(waiting);
        line?.cut();
      },
    };
  }

  /** Opens another connection, for whoever has waited longest when it is there. */
  #open(): void {
    if (!this.#target.tls) return this.#connect();
    const context = this.#parts.certificates.forClient();
    if (!isPromise(context)) return this.#connect(context);
    const opening = { cut: () => {} };
    this.#opening.add(opening);
    void context
      .then((it) => {
        if (this.#opening.delete(opening)) this.#connect(it);
      })
      .catch((reason: unknown) => this.#unopened(opening, OctavoError.from(reason)));
  }

  #connect(context?: SecureContext): void {
    const { clock, dialTimeoutMs } = this.#parts;
    const { shown, tls } = this.#target;
    const tcp = this.#dial(context);
    const opening = {
      cut: () => {
        this.#opening.delete(opening);
        timer.cancel();
        tcp.destroy();
      },
    };
    this.#opening.add(opening);
    const failed = (error: OctavoError): void => {
      timer.cancel();
      tcp.destroy();
      this.#unopened(opening, error);
    };
    const broke = (cause?: NodeJS.ErrnoException): void => failed(broken(shown, cause, false));
    const closed = (): void => broke();
    const timer = clock.after(dialTimeoutMs, () => {
      const what = `${shown} could not be connected to within ${dialTimeoutMs} ms (dialTimeoutMs)`;
      failed(new OctavoError('unavailable', what, { executed: false }));
    });
    tcp.on('error', broke);
    tcp.on('close', closed);
    tcp.once(tls ? 'secureConnect' : 'connect', () => {
      timer.cancel();
      tcp.off('error', broke).off('close', closed);
      this.#opened(opening, tcp);
    });
  }

  #dial(secureContext: SecureContext | undefined): Socket {
    const { host, port } = this.#target;
    if (secureContext === undefined) return connect({ host, port });
    const { policy } = this.#parts.certificates;
    return connectTls({ host, port, secureContext, ALPNProtocols: ['http/1.1'], ...checkOf(host, policy) });
  }

  #opened(opening: Cuttable, tcp: Socket): void {
    const line = new WholeLine(tcp, {
      target: this.#target,
      clock: this.#parts.clock,
      limits: this.#parts.limits,
      free: (it) => this.#freed(it),
      gone: (it) => this.#gone(it),
    });
    this.#opening.delete(opening);
    this.#all.add(line);
    this.#freed(line);
  }

  #unopened(opening: Cuttable, error: OctavoError): void {
    if (!this.#opening.delete(opening)) return;
    const [first] = this.#waiting;
    first?.fail(error);
    this.#more();
  }

  #freed(line: WholeLine): void {
    if (line.over) return;
    const [first] = this.#waiting;
    if (first !== undefined) return first.ask(line);
    const { clock, pool } = this.#parts;
    if (this.#free.length >= pool.size || this.#isOld(line)) return line.cut();
    line.background = true;
    this.#free.push(line);
    this.#sweep ??= clock.after(pool.ttlMs, () => this.#letGo(), { background: true });
  }

  #gone(line: WholeLine): void {
    this.#all.delete(line);
    const at = this.#free.indexOf(line);
    if (at >= 0) this.#free.splice(at, 1);
    this.#more();
  }

  /** Opens a connection for whoever waits and has none to come. */
  #more(): void {
    const { maxConnections } = this.#parts.pool;
    if (this.#waiting.size > this.#opening.size && this.#all.size + this.#opening.size < maxConnections)
      this.#open();
    if (this.#all.size + this.#opening.size + this.#waiting.size > 0) return;
    this.#sweep?.cancel();
    this.#sweep = undefined;
    this.#onEmpty();
  }

  /** Closes those that have become too old while nobody used them. */
  #letGo(): void {
    this.#sweep = undefined;
    for (const line of this.#free.filter((it) => this.#isOld(it))) line.cut();
    if (this.#free.length > 0)
      this.#sweep = this.#parts.clock.after(this.#parts.pool.ttlMs, () => this.#letGo(), {
        background: true,
      });
  }
}
