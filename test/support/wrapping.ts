import { createService } from '../../src/service/run.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { Client, ClientOptions } from '../../src/client/client.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import type { Server, ServerOptions } from '../../src/server/server.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import type { Provider } from '../../src/core/provider.js';
import type { Transport } from '../../src/transport/transport.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import type { Call, Next, Reply } from '../../src/wrapper/wrapper.js';
import { Context } from '../../src/core/context.js';
import { Metadata } from '../../src/core/metadata.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

/** How client and server speak to each other. */
export interface Wire {
  readonly client: (options: ClientOptions) => Provider<Client>;
  readonly server: (options: ServerOptions) => Provider<Server>;
}

const RPC: Wire = { client: rpcClient, server: rpcServer };

export interface WrappingOptions {
  readonly client?: ClientOptions;
  readonly server?: ServerOptions;
  /** @defaultValue memory */
  readonly transport?: () => Provider<Transport>;
  /** @defaultValue rpc */
  readonly wire?: Wire;
}

/** The probe, and a client of it, in memory and on a clock that stands still. */
export class Wrapping {
  readonly clock = new VirtualClock();
  readonly logs = new TestLogger();
  readonly #service: ReturnType<typeof createService>;

  constructor({ client = {}, server = {}, transport = memoryTransport, wire = RPC }: WrappingOptions) {
    this.#service = createService({
      services: [Probe],
      registry: memoryRegistry(),
      broker: memoryBroker(),
      transport: transport(),
      client: wire.client(client),
      server: wire.server(server),
      clock: () => this.clock,
      logger: () => this.logs,
      env: {},
    });
  }

  static async start(options: WrappingOptions): Promise<Wrapping> {
    const made = new Wrapping(options);
    await made.#service.start();
    return made;
  }

  get probe(): Probe {
    return this.#service.resolve(Probe);
  }

  get client(): ProbeClient {
    return this.#service.resolve(ProbeClient);
  }

  get service(): ReturnType<typeof createService> {
    return this.#service;
  }

  /** Some wires wait a little for the other end as they stop. */
  async [Symbol.asyncDispose](): Promise<void> {
    let over = false;
    const stopping = this.#service.stop().finally(() => (over = true));
    while (!over) await this.clock.advance(100);
    await stopping;
  }
}

/** A call that no wire carries, on a clock of the test's. */
export function aCall(clock: VirtualClock, more: Partial<Call> = {}, peer = '10.0.0.1:5'): Call {
  const metadata = new Metadata();
  const context = new Context({
    service: 'probe',
    endpoint: 'Probe.Echo',
    clock,
    logger: new TestLogger(),
    metadata,
    peer: { address: peer, octavo: true },
  });
  const base = { side: 'server', kind: 'unary', service: 'probe', endpoint: 'Probe.Echo' } as const;
  return { ...base, context, metadata, request: {}, idempotent: false, ...more };
}

/** What waits until it is let go. */
export function held(): {
  readonly next: Next;
  begun: number;
  release(reply?: Reply): void;
  fail(reason: unknown): void;
} {
  const waiting: { resolve: (reply: Reply) => void; reject: (reason: unknown) => void }[] = [];
  return {
    begun: 0,
    next() {
      this.begun++;
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    release(reply = { body: 'done' }) {
      waiting.shift()?.resolve(reply);
    },
    fail(reason) {
      waiting.shift()?.reject(reason);
    },
  };
}

/** The items of a stream, as the reply of a call. */
export function streamed(...items: readonly unknown[]): Next {
  return async () => ({
    body: (async function* () {
      for (const item of items) {
        if (item instanceof Error) throw item;
        yield item;
      }
    })(),
  });
}

/** Whether an error has this code. */
export function has(
  code: string,
  more: Readonly<Record<string, unknown>> = {},
): (reason: unknown) => boolean {
  return (reason) =>
    Object.entries({ code, ...more }).every(
      ([name, value]) => (reason as Readonly<Record<string, unknown>>)[name] === value,
    );
}
