import type { TestLogger } from '../../src/testing/test-logger.js';
import { RabbitTransport, type RabbitTransportOptions } from '../../src/transport/rabbitmq.js';
import { parts } from './parts.js';
import type { RabbitServer } from './rabbit-server.js';

/** Makes transports at a server, and stops them all. */
export class RabbitBench {
  readonly server: RabbitServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: RabbitTransport[] = [];

  private constructor(server: RabbitServer) {
    this.server = server;
  }

  static async with(server: RabbitServer, run: (bench: RabbitBench) => Promise<void>): Promise<void> {
    const bench = new RabbitBench(server);
    try {
      await run(bench);
    } finally {
      for (const transport of bench.#made) await transport.stop();
    }
  }

  make(options: RabbitTransportOptions = {}): RabbitTransport {
    const addresses = [this.server.address];
    const transport = new RabbitTransport({ addresses, ...options }, { ...parts(), logger: this.logger });
    this.#made.push(transport);
    return transport;
  }

  async started(options: RabbitTransportOptions = {}): Promise<RabbitTransport> {
    const transport = this.make(options);
    await transport.start();
    return transport;
  }
}
