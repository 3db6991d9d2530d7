import { fromBinary, toBinary, type DescMethod, type DescService } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createServer } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Context } from '../../src/core/context.js';
import { CODES, OctavoError } from '../../src/core/error.js';
import { fromGrpc, toGrpc } from '../../src/core/grpc-metadata.js';
import type { Metadata } from '../../src/core/metadata.js';
import { SystemClock } from '../../src/core/system-clock.js';
import { packedName } from '../../src/schema/any.js';
import type { Method } from '../../src/schema/method.js';
import { packDetails } from '../../src/schema/rpc-status.js';
import { schemaOf } from '../../src/schema/schema.js';
import { declarationOf, type ServiceClass } from '../../src/schema/service-declaration.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { descriptorOf } from './connect-peer.js';

/** What the messages of Connect-ES are whose descriptors are made while running. */
type Anything = any; // oxlint-disable-line typescript/no-explicit-any

function nameOf({ endpoint }: Method): string {
  return endpoint.slice(endpoint.indexOf('.') + 1);
}

/** A real server of Connect-ES, whose handlers are those of an instance of one of our classes. */
export class ConnectServer {
  readonly #server: Server | Http2Server;

  private constructor(server: Server | Http2Server) {
    this.#server = server;
  }

  static async start(
    type: ServiceClass,
    instance: () => object,
    version: '1.1' | '2' = '1.1',
    packages: readonly string[] = [declarationOf(type).package],
  ): Promise<ConnectServer> {
    const { methods } = declarationOf(type);
    const routes = (router: ConnectRouter): void => {
      for (const pack of packages) {
        const service = descriptorOf(type, pack);
        const implementation: Record<string, unknown> = {};
        for (const method of methods) {
          const desc = service.methods.find(({ name }) => name === nameOf(method));
          if (desc !== undefined) implementation[desc.localName] = handlerOf(method, desc, instance);
        }
        router.service(service, implementation as Partial<ServiceImpl<DescService>>);
      }
    };
    const listener = connectNodeAdapter({ routes, compressMinBytes: 256 });
    const server = version === '2' ? createHttp2Server(listener) : createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ConnectServer(server);
  }

  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    if ('closeAllConnections' in this.#server) this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A handler of ours as one of Connect-ES. */
function handlerOf(method: Method, desc: DescMethod, instance: () => object): unknown {
  const request = (message: Anything): unknown => {
    const { decode, validate } = schemaOf(method.request);
    const read = decode(toBinary(desc.input, message as never));
    validate(read);
    return read;
  };
  const reply = (value: unknown): Anything =>
    fromBinary(desc.output, schemaOf(method.reply).encode(value as object));
  const run = (message: Anything, context: Context): Anything => {
    const target = instance() as Record<string, (request: unknown, context: Context) => Anything>;
    return context.run(() => target[method.property]?.(message, context));
  };
  async function* requests(messages: AsyncIterable<Anything>): AsyncIterable<unknown> {
    for await (const message of messages) yield request(message);
  }
  if (method.kind === 'server' || method.kind === 'bidi')
    return async function* (given: Anything, handler: HandlerContext): AsyncIterable<Anything> {
      const context = contextOf(method, handler);
      try {
        const items = run(method.kind === 'bidi' ? requests(given) : request(given), context);
        const iterator = items[Symbol.asyncIterator]();
        for (;;) {
          const step = await context.run(() => cancellable(iterator.next(), context));
          tell(context.replied?.header, handler.responseHeader);
          if (step.done) break;
          yield reply(step.value);
        }
      } catch (reason) {
        throw connectError(reason);
      } finally {
        tell(context.replied?.trailer, handler.responseTrailer);
      }
    };
  return async (given: Anything, handler: HandlerContext): Promise<Anything> => {
    const context = contextOf(method, handler);
    try {
      return reply(
        await cancellable(run(method.kind === 'client' ? requests(given) : request(given), context), context),
      );
    } catch (reason) {
      throw connectError(reason);
    } finally {
      tell(context.replied?.header, handler.responseHeader);
      tell(context.replied?.trailer, handler.responseTrailer);
    }
  };
}

function cancellable(value: Anything, context: Context): Promise<Anything> {
  return Promise.race([value, new Promise((_, reject) => context.onCancel(reject))]);
}

const OF_THE_WIRE = /^(?:connect-|accept|grpc-)/;

function contextOf({ endpoint }: Method, { requestHeader, signal, timeoutMs }: HandlerContext): Context {
  const clock = new SystemClock();
  const left = timeoutMs();
  const context = new Context({
    service: 'probe',
    endpoint,
    clock,
    logger: new TestLogger(),
    metadata: fromGrpc([...requestHeader].filter(([name]) => !OF_THE_WIRE.test(name))),
    peer: { address: 'somewhere', octavo: false },
    deadline: left === undefined ? undefined : clock.now() + left,
  });
  signal.addEventListener('abort', () => {
    const late = signal.reason instanceof ConnectError && signal.reason.code === Code.DeadlineExceeded;
    context.cancel(new OctavoError(late ? 'deadline_exceeded' : 'cancelled', 'the caller went away'));
  });
  return context;
}

/** Once: Connect-ES sends its headers when the first item is there. */
function tell(metadata: Metadata | undefined, headers: Headers): void {
  for (const [name, value] of metadata === undefined ? [] : toGrpc(metadata))
    headers.append(name, typeof value === 'string' ? value : value.toString('base64'));
  for (const [name] of metadata ?? []) metadata?.delete(name);
}

function connectError(reason: unknown): ConnectError {
  if (!(reason instanceof OctavoError)) return ConnectError.from(reason, Code.Internal);
  const error = new ConnectError(reason.message, CODES[reason.code].grpc);
  for (const { typeUrl, value } of packDetails(reason))
    error.details.push({ type: packedName(typeUrl), value: new Uint8Array(value) });
  return error;
}
