import { connect, type Socket as TcpSocket } from 'node:net';
import { parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { DialOptions, Socket } from '../transport.js';
import { Line, type LineOptions } from './line.js';
import { Rounds } from './rounds.js';

/** Opens connections, and has many calls share them. */
export class Dialler {
  readonly #clock: Clock;
  readonly #options: LineOptions;
  readonly #lines = new Map<string, Line>();
  readonly #rounds: Rounds;

  constructor(clock: Clock, options: LineOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#rounds = new Rounds(clock, options);
  }

  dial(address: string, options: DialOptions): MaybePromise<Socket> {
    const { cancellation } = options;
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    return (this.#lines.get(address) ?? this.#line(address)).dial(options);
  }

  /** Cuts what is open. */
  destroy(): void {
    for (const line of [...this.#lines.values()]) line.stop();
    this.#rounds.destroy(new OctavoError('unavailable', 'the tcp transport was stopped'));
    this.#lines.clear();
  }

  #line(address: string): Line {
    const line = new Line(address, this.#options, {
      clock: this.#clock,
      rounds: this.#rounds,
      connect: () => open(address),
      onEmpty: () => {
        if (this.#lines.get(address) === line) this.#lines.delete(address);
      },
    });
    this.#lines.set(address, line);
    return line;
  }
}

/** Begins to open a TCP connection. This is the one place where one is made. */
function open(address: string): TcpSocket {
  const { host, port } = parseAddress(address);
  return connect({ host: host === '' ? '127.0.0.1' : host, port });
}
