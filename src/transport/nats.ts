import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { NatsOptions, NatsParts } from '../core/nats.js';
import { NatsConnections } from '../core/nats-connection.js';
import type { Provider } from '../core/provider.js';
import { BusTransport, type BusTransportOptions } from './bus/bus-transport.js';
import { NatsBus } from './nats/nats-bus.js';
import type { Transport } from './transport.js';

export interface NatsTransportOptions extends BusTransportOptions, NatsOptions {
  /** Bytes of one body. A server takes 1 MiB on the wire unless it is told otherwise, where go-micro's form of a body is a third longer. @defaultValue 512 KiB */
  readonly maxMessageBytes?: number;
}

/**
 * Carries messages over a NATS server, in the form of go-micro's nats transport. Addresses are subjects. Needs `npm install @nats-io/transport-node`.
 *
 * Between Octavo peers there is flow control, each end hears of the other's death, and bodies travel as they are.
 */
export class NatsTransport extends BusTransport {
  readonly name = 'nats';
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsTransportOptions, 'user' | 'pass' | 'token' | 'tls'>;

  constructor(options: NatsTransportOptions, parts: NatsParts) {
    const limited = { maxMessageBytes: 512 * 1024, ...options };
    super((events) => new NatsBus(options, parts, events), limited, parts);
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = limited;
    this.options = shown;
  }
}

/** Speaks go-micro's nats transport. */
export function nats(options: NatsTransportOptions = {}): Provider<Transport> {
  return (resolve) =>
    new NatsTransport(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(NatsConnections),
    });
}
