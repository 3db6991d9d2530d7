import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { RabbitConnections } from '../core/rabbitmq-connection.js';
import type { RabbitOptions, RabbitParts } from '../core/rabbitmq.js';
import { BusTransport, type BusTransportOptions } from './bus/bus-transport.js';
import { RabbitBus } from './rabbitmq/rabbit-bus.js';
import type { Transport } from './transport.js';

export interface RabbitTransportOptions extends BusTransportOptions, RabbitOptions {}

/**
 * Carries messages over a RabbitMQ server, in the form of go-micro's rabbitmq transport. Addresses are names of queues. Needs `npm install rabbitmq-client`.
 *
 * Between Octavo peers there is flow control, and each end hears of the other's death.
 */
export class RabbitTransport extends BusTransport {
  readonly name = 'rabbitmq';
  /** What it was given, without what is secret. */
  readonly options: Omit<RabbitTransportOptions, 'user' | 'pass' | 'tls'>;

  constructor(options: RabbitTransportOptions, parts: RabbitParts) {
    super((events) => new RabbitBus(options, parts, events), options, parts);
    const { user: _user, pass: _pass, tls: _tls, addresses: _addresses, ...shown } = options;
    this.options = shown;
  }
}

/** Speaks go-micro's rabbitmq transport. */
export function rabbitmq(options: RabbitTransportOptions = {}): Provider<Transport> {
  return (resolve) =>
    new RabbitTransport(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(RabbitConnections),
    });
}
