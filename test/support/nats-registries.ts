import { NatsRegistry, type NatsRegistryOptions } from '../../src/registry/nats.js';
import type { Node, Registry, RegistryEvent, ServiceRecord } from '../../src/registry/registry.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { NatsServer, type NatsServerOptions } from './nats-server.js';
import { parts } from './parts.js';

/** Makes registries at a server, and stops them all. */
export class Registries {
  readonly server: NatsServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: NatsRegistry[] = [];

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async with(
    run: (registries: Registries) => Promise<void>,
    options?: NatsServerOptions,
  ): Promise<void> {
    const registries = new Registries(await NatsServer.start(options));
    try {
      await run(registries);
    } finally {
      for (const registry of registries.#made) await registry.stop();
      await registries.server.stop();
    }
  }

  make(options: NatsRegistryOptions = {}): NatsRegistry {
    const addresses = [this.server.address];
    const registry = new NatsRegistry({ addresses, ...options }, { ...parts(), logger: this.logger });
    this.#made.push(registry);
    return registry;
  }

  async started(options?: NatsRegistryOptions): Promise<NatsRegistry> {
    const registry = this.make(options);
    await registry.start();
    return registry;
  }
}

export function node(id: string): Node {
  return { id, address: '127.0.0.1:4000', metadata: { protocol: 'mucp' } };
}

export function service(name: string, ...nodes: readonly Node[]): ServiceRecord {
  return { name, version: '1', metadata: {}, endpoints: [], nodes };
}

export async function ids(registry: Registry, name: string): Promise<string[]> {
  return (await registry.getService(name)).flatMap(({ nodes }) => nodes.map(({ id }) => id)).sort();
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What a watch tells, as it tells it. */
export class Told {
  readonly all: string[] = [];
  #wake = (): void => {};

  constructor(changes: AsyncIterable<RegistryEvent>) {
    void this.#read(changes);
  }

  async holds(count: number): Promise<string[]> {
    while (this.all.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.all;
  }

  async #read(changes: AsyncIterable<RegistryEvent>): Promise<void> {
    for await (const {
      action,
      service: { nodes },
    } of changes) {
      this.all.push(`${action} ${nodes.map(({ id }) => id).join()}`);
      this.#wake();
    }
  }
}
