import { fromBinary, toBinary, type DescMethod, type Message } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import type { CallOptions } from '../../../src/client/client.js';
import { OctavoError } from '../../../src/core/error.js';
import { fromGrpc, toGrpc } from '../../../src/core/grpc-metadata.js';
import { codeOf } from '../../../src/core/grpc-status.js';
import { Metadata } from '../../../src/core/metadata.js';
import { Any } from '../../../src/schema/any.js';
import type { Method } from '../../../src/schema/method.js';
import { unpackDetails } from '../../../src/schema/rpc-status.js';
import { schemaOf } from '../../../src/schema/schema.js';
import { declarationOf } from '../../../src/schema/service-declaration.js';
import {
  descriptorOf,
  foreignClient,
  foreignTransport,
  type Foreign,
  type ForeignClient,
  type ForeignOptions,
  type Way,
} from '../connect-peer.js';
import type { Rig } from './features.js';
import { StreamMatrix } from './parcels.js';

/** Calls the matrix by a client of `@connectrpc/connect-node`, and says what comes of it as an Octavo client does. */
export function foreignCaller(way: Way): (address: string) => {
  readonly client: Rig['client'];
  readonly close: () => Promise<void>;
} {
  const descriptor = descriptorOf(StreamMatrix);
  return (address) => {
    const all = new AbortController();
    const client = foreignClient(descriptor, foreignTransport(way, `http://${address}`));
    const called = declarationOf(StreamMatrix).methods.map((method) => {
      const described = descriptor.methods.find(({ localName }) => localName === method.property);
      if (described === undefined) throw new Error(`protoc knows no ${method.property}`);
      return [method.property, calling(client, method, described, all.signal)] as const;
    });
    // It has each of the methods, by its kind.
    return { client: Object.fromEntries(called) as unknown as Rig['client'], close: async () => all.abort() };
  };
}

type Calling = (request: never, options?: CallOptions) => unknown;

function calling(
  client: ForeignClient,
  method: Method,
  { input, output }: DescMethod,
  over: AbortSignal,
): Calling {
  const { property: name, kind } = method;
  // What the foreign library gives for a type is a message of it, and what is called has been given one of ours.
  const theirs = (value: unknown): Foreign =>
    fromBinary(input, schemaOf(method.request).encode(value as object)) as unknown as Foreign;
  const ours = (value: Foreign): object =>
    schemaOf(method.reply).decode(toBinary(output, value as unknown as Message));
  async function* sent(values: AsyncIterable<unknown>): AsyncIterable<Foreign> {
    for await (const value of values) yield theirs(value);
  }
  async function* came(open: (signal: AbortSignal) => AsyncIterable<Foreign>): AsyncIterable<object> {
    const left = new AbortController();
    try {
      for await (const value of open(AbortSignal.any([left.signal, over]))) yield ours(value);
    } catch (reason) {
      throw errorOf(reason);
    } finally {
      // Its iterators do nothing of the kind where somebody breaks out of a loop.
      left.abort();
    }
  }
  async function one(call: Promise<Foreign>): Promise<object> {
    try {
      return ours(await call);
    } catch (reason) {
      throw errorOf(reason);
    }
  }
  const many = (values: Iterable<unknown> | AsyncIterable<unknown>): AsyncIterable<Foreign> =>
    sent(Symbol.asyncIterator in values ? values : each(values));
  switch (kind) {
    case 'unary':
      return (request, options) => one(client.unary(name, theirs(request), optionsOf(options, over)));
    case 'client':
      return (requests, options) => one(client.client(name, many(requests), optionsOf(options, over)));
    case 'server':
      return (request, options) =>
        came((signal) => client.server(name, theirs(request), optionsOf(options, signal)));
    case 'bidi':
      return (requests, options) =>
        came((signal) => client.bidi(name, many(requests), optionsOf(options, signal)));
  }
}

async function* each(values: Iterable<unknown>): AsyncIterable<unknown> {
  yield* values;
}

function optionsOf(options: CallOptions = {}, over: AbortSignal): ForeignOptions {
  const { timeoutMs, signal = over, metadata, onHeader, onTrailer } = options;
  const headers: Record<string, string> = {};
  for (const [name, value] of toGrpc(new Metadata(metadata))) {
    const text = typeof value === 'string' ? value : value.toString('base64');
    headers[name] = headers[name] === undefined ? text : `${headers[name]}, ${text}`;
  }
  return {
    headers,
    signal,
    ...(timeoutMs !== undefined && timeoutMs > 0 && { timeoutMs }),
    ...(onHeader && { onHeader: (it: Headers) => onHeader(fromGrpc(it)) }),
    ...(onTrailer && { onTrailer: (it: Headers) => onTrailer(fromGrpc(it)) }),
  };
}

function errorOf(reason: unknown): unknown {
  if (!(reason instanceof ConnectError)) return reason;
  const details = reason.details.flatMap((detail) => {
    if (!('type' in detail) || typeof detail.type !== 'string') return [];
    const any = new Any();
    any.typeUrl = `type.googleapis.com/${detail.type}`;
    any.value = detail.value as Uint8Array;
    return [any];
  });
  const { code, rawMessage } = reason;
  const error = unpackDetails(codeOf(code), rawMessage, details);
  return error instanceof OctavoError ? error : reason;
}
