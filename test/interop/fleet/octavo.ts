import { setTimeout as pause } from 'node:timers/promises';
import { http as httpBroker } from '../../../src/broker/http.js';
import { Context, OctavoError, Service } from '../../../src/index.js';
import { mdns } from '../../../src/registry/mdns.js';
import { rpc } from '../../../src/server/rpc.js';
import type { ServerOptions } from '../../../src/server/server.js';
import { createService, type ServiceOptions } from '../../../src/service/run.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { Greeter, type Reply, type Request } from './greeter.js';

/** What a slow handler of ours did, in order. */
export const slow: string[] = [];

/** The other member of the fleet: what the Go peers serve, in Octavo. */
@Service(Greeter)
export class GreeterServer implements Greeter {
  async hello({ name, bigNumber, mood }: Request, context?: Context): Promise<Reply> {
    const metadata = new Map(Object.entries(context?.metadata.toJSON() ?? {}));
    context?.reply.header.append('Answered-By', 'octavo');
    return { text: `Hello ${name}`, bigNumber, mood, node: 'octavo', metadata };
  }

  async empty(): Promise<Reply> {
    return reply('');
  }

  async fail({ name }: Request): Promise<Reply> {
    const id = 'greeter.fail';
    switch (name) {
      case 'bad':
        throw new OctavoError('invalid_argument', `bad <${name}> é`, { id });
      case 'unauthorized':
        throw new OctavoError('unauthenticated', 'who are you', { id });
      case 'forbidden':
        throw new OctavoError('permission_denied', 'not you', { id });
      case 'missing':
        throw new OctavoError('not_found', 'no such thing', { id });
      case 'conflict':
        throw new OctavoError('already_exists', 'already there', { id });
      case 'internal':
        throw new OctavoError('internal', 'broken', { id });
    }
    throw new Error('plain text');
  }

  async slow({ delayMs }: Request, context?: Context): Promise<Reply> {
    slow.push('began');
    const left = context?.remainingMs ?? 0;
    try {
      await pause(delayMs, undefined, { ...(context && { signal: context.signal }) });
    } catch (error) {
      slow.push('cancelled');
      throw error;
    }
    return reply('done', BigInt(Math.round(left)));
  }

  async *chat(requests: AsyncIterable<Request>): AsyncIterable<Reply> {
    for await (const { name, count } of requests) {
      if (name === 'end') return;
      if (name === 'fail') throw new OctavoError('not_found', 'no more', { id: 'greeter.chat' });
      for (let at = 0; at < count; at++) yield reply(`${name}-${at}`);
    }
  }

  async *count({ name, count }: Request): AsyncIterable<Reply> {
    for (let at = 0; at < count; at++) yield reply(`${name}-${at}`);
  }
}

function reply(text: string, bigNumber = 0n): Reply {
  return { text, bigNumber, mood: 0, node: '', metadata: new Map() };
}

/** The parts that every service of these tests has: what a Go fleet has by default, on loopback. */
export function fleet(server: ServerOptions = {}): ServiceOptions & { readonly logger: () => TestLogger } {
  const logger = new TestLogger();
  return {
    registry: mdns({ interfaces: ['127.0.0.1'] }),
    broker: httpBroker(),
    server: rpc(server),
    logger: () => logger,
    env: {},
  };
}

export type Octavo = ReturnType<typeof createService>;

/** A greeter that serves, or only a client of it. */
export async function octavo(options: ServiceOptions = {}): Promise<Octavo> {
  const service = createService({ ...fleet(), ...options });
  await service.start();
  return service;
}

export async function serving(options: ServiceOptions = {}): Promise<Octavo> {
  return octavo({ services: [GreeterServer], ...options });
}

/** For how long something that is to come is waited for, in milliseconds. */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 10;

/** Waits until this holds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`still not so: ${holds.toString()}`);
    await pause(AGAIN_MS);
  }
}
