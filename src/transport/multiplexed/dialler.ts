import type { Socket as TcpSocket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Certificates, TlsPolicy } from '../../core/tls.js';
import { tlsFault } from '../../core/tls-fault.js';
import { inAll, type PoolStats } from '../pool-stats.js';
import type { DialOptions, Socket } from '../transport.js';
import { Line, type LineEvents, type Multiplexed } from './line.js';
import { Rounds, type Swept } from './rounds.js';

/** How a transport opens connections, of which `Opened` is what they stand on. */
export interface Wire<C extends Multiplexed & Swept, Opened> {
  /** What errors call the transport: `the tcp transport`. */
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
  socket(connection: C): Socket;
}

/** Opens connections, and has many calls share them. */
export class Dialler<C extends Multiplexed & Swept, Opened = TcpSocket> {
  readonly #wire: Wire<C, Opened>;
  readonly #lines = new Map<string, Line<C, Opened>>();
  readonly #rounds: Rounds<C>;

  constructor(wire: Wire<C, Opened>) {
    this.#wire = wire;
    this.#rounds = new Rounds(wire.clock, wire.lookEveryMs);
  }

  dial(address: string, options: DialOptions): MaybePromise<Socket> {
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
    this.#rounds.destroy(new OctavoError('unavailable', `${this.#wire.who} was stopped`));
    this.#lines.clear();
  }

  #line(address: string): Line<C, Opened> {
    const { who, clock, connections, certificates } = this.#wire;
    const line = new Line<C, Opened>(address, {
      who,
      clock,
      connections,
      socket: (connection) => this.#wire.socket(connection),
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
    const connection = this.#wire.begin(opened, address, {
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
    const { certificates } = this.#wire;
    if (certificates === undefined) return this.#wire.open(address);
    const context = certificates.forClient();
    const { policy } = certificates;
    return isPromise(context)
      ? context.then((it) => this.#wire.open(address, it, policy))
      : this.#wire.open(address, context, policy);
  }
}
