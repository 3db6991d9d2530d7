import type { SecureContext } from 'node:tls';
import type { Clock } from '../clock.js';
import { OctavoError } from '../error.js';
import { isPromise, type MaybePromise } from '../lifecycle.js';
import { inAll, type PoolStats } from '../pool-stats.js';
import type { Certificates, TlsPolicy } from '../tls.js';
import { tlsFault } from '../tls-fault.js';
import { Line, type LineEvents, type LineWanted, type Multiplexed } from './line.js';
import { Rounds, type Swept } from './rounds.js';

/** How connections are opened, of which `Opened` is what they stand on, and `S` a call or stream on one. */
export interface DiallerParts<C extends Multiplexed & Swept, Opened, S> {
  /** What errors call their owner: `the tcp transport`. */
  readonly who: string;
  readonly clock: Clock;
  readonly certificates: Certificates | undefined;
  /** How many connections to one address carry calls before any is full. */
  readonly connections: number;
  /** How often connections are looked after, in milliseconds; 0 is never. */
  readonly lookEveryMs: number;
  /** Begins to open what a connection stands on, with TLS where there are certificates. */
  open(address: string, secureContext?: SecureContext, policy?: TlsPolicy): Opened;
  begin(opened: Opened, address: string, events: LineEvents): C;
  /** A call or stream on a connection that is free. */
  socket(connection: C): S;
}

/** Opens connections, and has many calls share them. */
export class Dialler<C extends Multiplexed & Swept, Opened, S> {
  readonly #parts: DiallerParts<C, Opened, S>;
  readonly #lines = new Map<string, Line<C, Opened, S>>();
  readonly #rounds: Rounds<C>;

  constructor(parts: DiallerParts<C, Opened, S>) {
    this.#parts = parts;
    this.#rounds = new Rounds(parts.clock, parts.lookEveryMs);
  }

  dial(address: string, options: LineWanted): MaybePromise<S> {
    const { cancellation } = options;
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    return (this.#lines.get(address) ?? this.#line(address)).dial(options);
  }

  get stats(): PoolStats {
    return inAll(this.#lines.values());
  }

  /** Cuts what is open. */
  destroy(): void {
    for (const line of [...this.#lines.values()]) line.stop();
    this.#rounds.destroy(new OctavoError('unavailable', `${this.#parts.who} was stopped`));
    this.#lines.clear();
  }

  #line(address: string): Line<C, Opened, S> {
    const { who, clock, connections, certificates } = this.#parts;
    const line = new Line<C, Opened, S>(address, {
      who,
      clock,
      connections,
      socket: (connection) => this.#parts.socket(connection),
      connect: () => this.#connect(address),
      begin: (opened, events) => this.#begin(opened, address, events),
      explain: (error) => (certificates === undefined ? undefined : tlsFault(address, error)),
      onEmpty: () => {
        if (this.#lines.get(address) === line) this.#lines.delete(address);
      },
    });
    this.#lines.set(address, line);
    return line;
  }

  #begin(opened: Opened, address: string, events: LineEvents): C {
    const connection = this.#parts.begin(opened, address, {
      ...events,
      closed: (error) => {
        this.#rounds.delete(connection);
        events.closed(error);
      },
    });
    this.#rounds.add(connection);
    return connection;
  }

  #connect(address: string): MaybePromise<Opened> {
    const { certificates } = this.#parts;
    if (certificates === undefined) return this.#parts.open(address);
    const context = certificates.forClient();
    const { policy } = certificates;
    return isPromise(context)
      ? context.then((it) => this.#parts.open(address, it, policy))
      : this.#parts.open(address, context, policy);
  }
}
