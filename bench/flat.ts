// Whether a call costs the same when there is much of something: each variant is the same call beside few and beside many.
import { ClientOf, createService, Handler, Registry, Service, type ServiceClass } from '../src/index.js';
import { http } from '../src/transport/http.js';
import { memory as memoryTransport, MemoryNetwork } from '../src/transport/memory.js';
import { EchoClient, EchoServer, Text } from './echo.js';
import { floor, FloorConnection, request } from './floor.js';
import { LOCAL } from './octavo.js';
import type { Variant } from './variant.js';

/** A service of so many endpoints, all of which are called in turn. */
function endpoints(count: number): Variant {
  const transport = memoryTransport({ network: new MemoryNetwork() });
  const methods = Array.from({ length: count }, (_, at) => `echo${at}`);
  const type = serviceOf(methods);
  return {
    name: `endpoints-${count}`,
    about: `memory, ${count} endpoints called in turn`,
    oneProcess: true,

    async serve() {
      const service = createService({ ...LOCAL, transport, services: [type] });
      await service.start();
      return service.server.node?.address ?? '';
    },

    async connect(address) {
      const service = createService({ ...LOCAL, transport });
      await service.start();
      // The methods were made from these names.
      const client = service.resolve(class extends ClientOf(type) {}) as Record<
        string,
        (text: Text, options: { address: string }) => Promise<Text>
      >;
      const calls = methods.map((method) => (text: string) => client[method]?.({ text }, { address }));
      let at = 0;
      return async (text) => {
        at = at + 1 < calls.length ? at + 1 : 0;
        return (await calls[at]?.(text))?.text;
      };
    },
  };
}

/** Written by hand what decorators write: nobody types a thousand methods. */
function serviceOf(methods: readonly string[]): ServiceClass<object> {
  class Many {}
  for (const method of methods) {
    const descriptor = { value: async ({ text }: Text): Promise<Text> => ({ text }), configurable: true };
    Object.defineProperty(Many.prototype, method, descriptor);
    // The property was made this moment, with these types; the compiler does not know it.
    (Handler(Text, Text) as (prototype: object, name: string, of: PropertyDescriptor) => void)(
      Many.prototype,
      method,
      descriptor,
    );
  }
  Service({ name: 'many', endpoint: 'Many' })(Many);
  return Many;
}

/** A client that knows so many nodes; they are all the same server. */
function nodes(count: number): Variant {
  const transport = memoryTransport({ network: new MemoryNetwork() });
  return {
    name: `nodes-${count}`,
    about: `memory, ${count} nodes known`,
    oneProcess: true,

    async serve() {
      const service = createService({ ...LOCAL, transport, services: [EchoServer] });
      await service.start();
      const [record] = await service.resolve(Registry).getService('bench');
      return JSON.stringify(record);
    },

    async connect(address) {
      const service = createService({ ...LOCAL, transport });
      await service.start();
      // What `serve` gave.
      const record = JSON.parse(address) as Parameters<Registry['register']>[0];
      await service.resolve(Registry).register({
        ...record,
        nodes: record.nodes.flatMap((node) =>
          Array.from({ length: count }, (_, at) => ({ ...node, id: `${node.id}-${at}` })),
        ),
      });
      const client = service.resolve(EchoClient);
      return async (text) => (await client.echo({ text })).text;
    },
  };
}

/** A server that holds so many connections, all of which are used in turn, by the client of the floor. */
function connections(count: number): Variant {
  return {
    ...floorConnections(count),
    name: `connections-${count}`,
    about: `http, ${count} connections used in turn by the floor's client`,

    async serve() {
      const service = createService({ ...LOCAL, transport: http(KEPT), services: [EchoServer] });
      await service.start();
      return service.server.node?.address ?? '';
    },
  };
}

/** The same with the server of the floor: what so many connections cost whoever holds them. */
function floorConnections(count: number): Variant {
  return {
    name: `floor-connections-${count}`,
    about: `the floor, ${count} connections used in turn`,

    serve: () => floor.serve(),

    async connect(address) {
      const idle: FloorConnection[] = [];
      while (idle.length < count) idle.push(await FloorConnection.open(address));
      return async (text) => {
        // The one that is idle for longest.
        const connection = idle.shift();
        if (connection === undefined) throw new Error(`more calls at once than the ${count} connections`);
        const reply = await connection.call(request(encoded(text)));
        idle.push(connection);
        // It has the same bytes before the text as the request.
        return reply.slice(-text.length);
      };
    },
  };
}

/** Connections wait for their turn while others are measured. */
const KEPT = { idleMs: 0, headerTimeoutMs: 0 };

/** A `Text` in protobuf, as latin-1; the text is ASCII, and shorter than 16 KiB. */
function encoded(text: string): string {
  const { length } = text;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return `\n${String.fromCharCode(...size)}${text}`;
}

export const flats: readonly Variant[] = [
  endpoints(1),
  endpoints(1_000),
  nodes(1),
  nodes(10_000),
  connections(64),
  connections(5_000),
  floorConnections(64),
  floorConnections(5_000),
];
