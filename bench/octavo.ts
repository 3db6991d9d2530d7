import { memory as memoryBroker } from '../src/broker/memory.js';
import { grpc as grpcClient } from '../src/client/grpc.js';
import { http as httpClient, type HttpClientOptions } from '../src/client/http.js';
import { rpc as rpcClient } from '../src/client/rpc.js';
import {
  createService,
  Registry,
  type Client,
  type Provider,
  type Server,
  type ServiceOptions,
  type Transport,
  type Wrapper,
} from '../src/index.js';
import { memory as memoryRegistry } from '../src/registry/memory.js';
import { grpc as grpcServer } from '../src/server/grpc.js';
import { http as httpServer } from '../src/server/http.js';
import { rpc as rpcServer } from '../src/server/rpc.js';
import { http } from '../src/transport/http.js';
import { memory as memoryTransport, MemoryNetwork } from '../src/transport/memory.js';
import { tcp } from '../src/transport/tcp.js';
import { EchoClient, EchoServer } from './echo.js';
import { fiveWrappers, pass } from './wrappers.js';
import type { Variant } from './variant.js';

/** Every default, but nothing that speaks to other machines. */
export const LOCAL: ServiceOptions = {
  registry: memoryRegistry(),
  broker: memoryBroker(),
  env: { MICRO_LOG_LEVEL: 'error' },
};

interface Wrapped {
  readonly onClient?: readonly Wrapper[];
  readonly onServer?: readonly Wrapper[];
}

/** What a call goes through, where it is not rpc. */
interface Ends {
  readonly client: Provider<Client>;
  readonly server: Provider<Server>;
}

/** A decorated service and a typed client. As the server is in another process, the client's registry is told of its node once; calls find it there. */
function octavo(
  name: string,
  about: string,
  transport: Provider<Transport>,
  { onClient = [], onServer = [] }: Wrapped = {},
  ends: Ends = { client: rpcClient({ wrappers: onClient }), server: rpcServer({ wrappers: onServer }) },
): Variant {
  const { client, server } = ends;
  const connected = async (address: string): Promise<EchoClient> => {
    const service = createService({ ...LOCAL, transport, client });
    await service.start();
    // What `serve` gave.
    await service.resolve(Registry).register(JSON.parse(address) as Parameters<Registry['register']>[0]);
    return service.resolve(EchoClient);
  };
  return {
    name,
    about,

    async serve() {
      const service = createService({ ...LOCAL, transport, server, services: [EchoServer] });
      await service.start();
      const [record] = await service.resolve(Registry).getService('bench');
      return JSON.stringify(record);
    },

    async connect(address) {
      const client = await connected(address);
      return async (text) => (await client.echo({ text })).text;
    },

    async open(address) {
      const client = await connected(address);
      return (texts) => map(client.stream(map(texts, (text) => ({ text }))), ({ text }) => text);
    },
  };
}

/** In one process there is one network. */
function inMemory(name: string, about: string, wrapped?: Wrapped): Variant {
  const transport = memoryTransport({ network: new MemoryNetwork() });
  return { ...octavo(name, about, transport, wrapped), oneProcess: true };
}

/** Neither end has anything to do with the transport. */
function connect(name: string, about: string, options: HttpClientOptions): Variant {
  const ends = { client: httpClient(options), server: httpServer() };
  return octavo(name, about, memoryTransport(), {}, ends);
}

/** By hand: an async generator would cost as much as a message. */
function map<From, To>(items: AsyncIterable<From>, to: (item: From) => To): AsyncIterable<To> {
  return {
    [Symbol.asyncIterator]() {
      const inner = items[Symbol.asyncIterator]();
      const mapped = (result: IteratorResult<From>): IteratorResult<To> =>
        result.done === true ? { done: true, value: undefined } : { done: false, value: to(result.value) };
      return { next: async () => mapped(await inner.next()) };
    },
  };
}

/** Neither end has anything to do with the transport. */
function native(name: string, about: string): Variant {
  return octavo(name, about, memoryTransport(), {}, { client: grpcClient(), server: grpcServer() });
}

const five: Wrapped = { onClient: fiveWrappers(), onServer: fiveWrappers() };

/** How many wrappers `memory-async` has: the cost of one is a tenth. */
export const ASYNC_WRAPPERS = 10;

export const octavos: readonly Variant[] = [
  connect('web', 'Octavo by HTTP itself: the Connect protocol, protobuf', {}),
  connect('web-json', 'the same, JSON', { contentType: 'application/json' }),
  connect('web-http2', 'the same, protobuf over HTTP/2', { version: '2' }),
  octavo('http', 'Octavo over http, every default but the registry', http()),
  octavo('tcp', 'Octavo over tcp', tcp()),
  native('grpc', 'Octavo by gRPC itself'),
  inMemory('memory', 'Octavo over memory, in one process'),
  octavo('http-wrapped', 'the same over http, five wrappers on each side', http(), five),
  octavo('tcp-wrapped', 'the same over tcp, five wrappers on each side', tcp(), five),
  inMemory('memory-async', `the same over memory, ${ASYNC_WRAPPERS} async wrappers`, {
    onServer: Array.from({ length: ASYNC_WRAPPERS }, pass),
  }),
  octavo('http-stream', 'Octavo over http, items of bidi streams', http()),
  octavo('tcp-stream', 'Octavo over tcp, items of bidi streams', tcp()),
  native('grpc-stream', 'Octavo by gRPC itself, items of bidi streams'),
];
