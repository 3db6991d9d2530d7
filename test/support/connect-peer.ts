import { createFileRegistry, fromBinary, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import type { MessageType } from '../../src/schema/message-type.js';
import { protoFiles } from '../../src/schema/proto-text.js';
import { declarationOf, type ServiceClass } from '../../src/schema/service-declaration.js';
import { Protoc } from '../schema/protoc.js';

/** A message as the foreign library has it, whose type is known at run time only. */
export interface Foreign {
  readonly [member: string]: unknown;
}

/** What a foreign call may be told. */
export interface ForeignOptions {
  readonly headers?: Record<string, string>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onHeader?: (headers: Headers) => void;
  readonly onTrailer?: (trailers: Headers) => void;
}

/** A client of `@connectrpc/connect`, by the kind of each method. */
export interface ForeignClient {
  unary(method: string, request: Foreign, options?: ForeignOptions): Promise<Foreign>;
  server(method: string, request: Foreign, options?: ForeignOptions): AsyncIterable<Foreign>;
  client(method: string, requests: AsyncIterable<Foreign>, options?: ForeignOptions): Promise<Foreign>;
  bidi(method: string, requests: AsyncIterable<Foreign>, options?: ForeignOptions): AsyncIterable<Foreign>;
}

/** The FileDescriptorSet that protoc makes of the `.proto` text of a service; it may be put into another package. */
export function descriptorSetOf(type: ServiceClass, name = declarationOf(type).package): Uint8Array {
  const { endpoint, methods } = declarationOf(type);
  const printed = methods.map((method) => ({
    name: method.endpoint.slice(method.endpoint.indexOf('.') + 1),
    request: method.request,
    reply: method.reply,
    kind: method.kind,
  }));
  const types: MessageType[] = methods.flatMap(({ request, reply }) => [request, reply]);
  const protoc = new Protoc(protoFiles(types, [{ name: `${name}.${endpoint}`, methods: printed }]));
  try {
    return protoc.descriptors();
  } finally {
    protoc.close();
  }
}

/** The service of a class as protoc and `@bufbuild/protobuf` know it, from the `.proto` that Octavo prints; it may be put into another package. */
export function descriptorOf(type: ServiceClass, name = declarationOf(type).package): DescService {
  const { endpoint, methods } = declarationOf(type);
  const service = `${name}.${endpoint}`;
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSetOf(type, name)));
  const found = registry.getService(service);
  if (found === undefined) throw new Error(`protoc knows no ${service}`);
  for (const { options, property } of methods) {
    const method = found.methods.find(({ localName }) => localName === property);
    // What the library calls by GET: its descriptors are plain objects.
    if (options.idempotent === true) Object.assign(method ?? {}, { idempotency: 1 });
  }
  return found;
}

/** A client for a service that is known at run time only. */
export function foreignClient(service: DescService, transport: Transport): ForeignClient {
  const client = createClient(service, transport) as unknown as Record<
    string,
    (request: unknown, options?: ForeignOptions) => never
  >;
  const named = (method: string): ((request: unknown, options?: ForeignOptions) => never) => {
    const call = client[method];
    if (call === undefined) throw new Error(`there is no ${method}`);
    return call;
  };
  return {
    unary: (method, request, options) => named(method)(request, options),
    server: (method, request, options) => named(method)(request, options),
    client: (method, requests, options) => named(method)(requests, options),
    bidi: (method, requests, options) => named(method)(requests, options),
  };
}

/** How a foreign client calls. */
export interface Way {
  readonly protocol: 'connect' | 'grpc-web';
  readonly httpVersion: '1.1' | '2';
  readonly binary: boolean;
}

/** Each way there is. */
export const WAYS: readonly Way[] = (['connect', 'grpc-web'] as const).flatMap((protocol) =>
  (['1.1', '2'] as const).flatMap((httpVersion) =>
    [true, false].map((binary) => ({ protocol, httpVersion, binary })),
  ),
);

export type TransportExtras = Partial<Parameters<typeof createConnectTransport>[0]>;

/** The foreign library's own transport to an address. */
export function foreignTransport(
  { protocol, httpVersion, binary }: Way,
  baseUrl: string,
  extras: TransportExtras = {},
): Transport {
  const make = protocol === 'connect' ? createConnectTransport : createGrpcWebTransport;
  // Which options go with which version is known to the caller.
  return make({ baseUrl, httpVersion, useBinaryFormat: binary, ...extras } as Parameters<typeof make>[0]);
}
