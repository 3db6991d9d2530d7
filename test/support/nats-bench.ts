import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { OctavoError } from '../../src/core/error.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { NatsTransport, type NatsTransportOptions } from '../../src/transport/nats.js';
import type { Transport } from '../../src/transport/transport.js';
import { call, message, text } from '../conformance/transport/talk.js';
import { NatsServer, type NatsServerOptions } from './nats-server.js';
import { parts } from './parts.js';

/** Makes transports at a server, and stops them all. */
export class Bench {
  readonly server: NatsServer;
  readonly logger: TestLogger = parts().logger;
  readonly #made: NatsTransport[] = [];

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async with(run: (bench: Bench) => Promise<void>, options: NatsServerOptions = {}): Promise<void> {
    const bench = new Bench(await NatsServer.start(options));
    try {
      await run(bench);
    } finally {
      for (const transport of bench.#made) await transport.stop();
      await bench.server.stop();
    }
  }

  make(options: NatsTransportOptions = {}): NatsTransport {
    const transport = new NatsTransport(
      { addresses: [this.server.address], ...options },
      { ...parts(), logger: this.logger },
    );
    this.#made.push(transport);
    return transport;
  }

  async started(options: NatsTransportOptions = {}): Promise<NatsTransport> {
    const transport = this.make(options);
    await transport.start();
    return transport;
  }
}

/** How long something takes, in milliseconds. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

/** The error that something fails with. */
export async function failure(run: () => unknown): Promise<OctavoError> {
  try {
    await run();
  } catch (reason) {
    assert.ok(reason instanceof OctavoError, inspect(reason));
    return reason;
  }
  throw new Error('nothing failed');
}

/** Calls again until it works. */
export async function works(transport: Transport, listener: { address: string }): Promise<void> {
  for (;;)
    try {
      const listening = { ...listener, close: async () => {} };
      assert.equal(text(await call(transport, listening, message('back'))), 'back');
      return;
    } catch (reason) {
      assert.ok(reason instanceof OctavoError && reason.code === 'unavailable', inspect(reason));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
