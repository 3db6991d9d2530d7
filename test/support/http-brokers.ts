import { createServer, type Server, type Socket } from 'node:net';
import { HttpBroker, type HttpBrokerOptions } from '../../src/broker/http.js';
import type { Clock } from '../../src/core/clock.js';
import { formatAddress } from '../../src/core/address.js';
import type { LogRecord } from '../../src/core/logger.js';
import type { Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { SystemClock } from '../../src/core/system-clock.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import { TestLogger } from '../../src/testing/test-logger.js';

/** What go-micro's http brokers are registered under. */
const SERVICE = 'micro.http.broker';

export function event(body: string): Message {
  return { header: new Metadata(), body: Buffer.from(body) };
}

/** Http brokers that share a registry, and what else is in it. */
export class HttpBrokers {
  readonly registry: MemoryRegistry;
  readonly logger = new TestLogger();
  readonly #clock: Clock;
  readonly #brokers: HttpBroker[] = [];
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(clock: Clock = new SystemClock()) {
    this.#clock = clock;
    this.registry = new MemoryRegistry({}, { clock });
  }

  /** A broker that is started. */
  async broker(
    options: HttpBrokerOptions = {},
    registry: MemoryRegistry = this.registry,
  ): Promise<HttpBroker> {
    const broker = new HttpBroker(options, { registry, clock: this.#clock, logger: this.logger });
    await broker.start();
    this.#brokers.push(broker);
    return broker;
  }

  /** A subscriber of `topic` that does what it likes with the connections of publishers. */
  async subscriber(topic: string, take: (socket: Socket) => void): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#sockets.delete(socket));
      take(socket);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = server.address();
    if (typeof at !== 'object' || at === null) throw new Error('no address');
    await this.registry.register({
      name: SERVICE,
      version: 'ff.http.broadcast',
      metadata: {},
      endpoints: [],
      nodes: [
        {
          id: `${topic}-${at.port}`,
          address: formatAddress(at.address, at.port),
          metadata: { secure: 'false', broker: 'http', topic },
        },
      ],
    });
  }

  /** The ids of the subscriptions in the registry. */
  async registered(): Promise<string[]> {
    const records = await this.registry.getService(SERVICE);
    return records.flatMap(({ nodes }) => nodes.map(({ id }) => id));
  }

  /** The codes of the errors in the log. */
  get codes(): unknown[] {
    return this.#complaints.map(({ fields }) => (fields['error'] as { code?: unknown } | undefined)?.code);
  }

  get messages(): string[] {
    return this.#complaints.map(({ message }) => message);
  }

  get #complaints(): readonly LogRecord[] {
    return this.logger.records.filter(({ level }) => level !== 'info');
  }

  async close(): Promise<void> {
    for (const broker of this.#brokers) await broker.stop();
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) await new Promise((resolve) => server.close(resolve));
  }
}
