import { ConnectError } from '@connectrpc/connect';
import type { CallOptions } from '../../../src/client/client.js';
import { OctavoError } from '../../../src/core/error.js';
import { fromGrpc, toGrpc } from '../../../src/core/grpc-metadata.js';
import { codeOf } from '../../../src/core/grpc-status.js';
import { Metadata } from '../../../src/core/metadata.js';
import { Any } from '../../../src/schema/any.js';
import type { Init } from '../../../src/schema/message-type.js';
import { unpackDetails } from '../../../src/schema/rpc-status.js';
import {
  descriptorOf,
  foreignClient,
  foreignTransport,
  type Foreign,
  type ForeignOptions,
  type Way,
} from '../connect-peer.js';
import type { Rig } from './features.js';
import { Label, Parcel, StreamMatrix } from './parcels.js';

/** Calls the matrix by the library of Connect, as a browser does, in the words of an Octavo client. */
export function foreignCaller(way: Way, address: string): Rig['client'] {
  const foreign = foreignClient(descriptorOf(StreamMatrix), foreignTransport(way, `http://${address}`));
  const unary =
    (name: string) =>
    (request: Init<Parcel>, options?: CallOptions): Promise<Parcel> =>
      told(foreign.unary(name, written(request), given(options)).then(read));
  const server =
    (name: string) =>
    (request: Init<Parcel>, options?: CallOptions): AsyncIterable<Parcel> =>
      readAll((left) => foreign.server(name, written(request), given(options, left)));
  const client =
    (name: string) =>
    (requests: Requests, options?: CallOptions): Promise<Parcel> =>
      told(foreign.client(name, writtenAll(requests), given(options)).then(read));
  return {
    echo: unary('echo'),
    fill: unary('fill'),
    fail: unary('fail'),
    facts: unary('facts'),
    wait: unary('wait'),
    list: server('list'),
    flood: server('flood'),
    sum: client('sum'),
    hold: client('hold'),
    chat: (requests, options) =>
      readAll((left) => foreign.bidi('chat', writtenAll(requests), given(options, left))),
  };
}

type Requests = Iterable<Init<Parcel>> | AsyncIterable<Init<Parcel>>;

function given(
  { metadata = {}, timeoutMs, signal, onHeader, onTrailer }: CallOptions = {},
  left?: AbortSignal,
): ForeignOptions {
  const headers: Record<string, string> = {};
  for (const [name, value] of toGrpc(new Metadata(metadata))) {
    const text = typeof value === 'string' ? value : value.toString('base64');
    headers[name] = headers[name] === undefined ? text : `${headers[name]}, ${text}`;
  }
  return {
    headers,
    ...(timeoutMs !== undefined && timeoutMs !== 0 && { timeoutMs }),
    ...((signal ?? left) && { signal: signal ?? left }),
    ...(onHeader && { onHeader: (it) => onHeader(fromGrpc(it)) }),
    ...(onTrailer && { onTrailer: (it) => onTrailer(fromGrpc(it)) }),
  };
}

/** A parcel as the library has it: its own words for a oneof, a map and a time. */
function written({ sentAt, stock, street, box, ...rest }: Init<Parcel>): Foreign {
  const ms = sentAt?.getTime();
  return {
    ...rest,
    ...(ms !== undefined && { sentAt: { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 } }),
    ...(stock && { stock: Object.fromEntries(stock instanceof Map ? stock : Object.entries(stock)) }),
    ...(street !== undefined && { to: { case: 'street', value: street } }),
    ...(box !== undefined && { to: { case: 'box', value: box } }),
  };
}

async function* writtenAll(requests: Requests): AsyncIterable<Foreign> {
  for await (const request of requests) yield written(request);
}

function read({ sentAt, stock, to, label, ...rest }: Foreign): Parcel {
  // What the descriptor says of each member.
  const time = sentAt as { readonly seconds: bigint; readonly nanos: number } | undefined;
  const one = to as { readonly case?: string; readonly value?: unknown };
  const inner = label as Foreign | undefined;
  return Object.assign(new Parcel(), rest, {
    stock: new Map(Object.entries(stock as Record<string, bigint>)),
    ...(time && { sentAt: new Date(Number(time.seconds) * 1000 + time.nanos / 1e6) }),
    ...(inner && { label: Object.assign(new Label(), { text: inner['text'] }) }),
    ...(one.case !== undefined && { [one.case]: one.value }),
  });
}

/** @param open makes the call, which is cut by the signal: by itself the library goes on with one whose reader has left */
async function* readAll(open: (left: AbortSignal) => AsyncIterable<Foreign>): AsyncIterable<Parcel> {
  const left = new AbortController();
  try {
    for await (const reply of open(left.signal)) yield read(reply);
  } catch (reason) {
    throw ours(reason);
  } finally {
    left.abort();
  }
}

function told(reply: Promise<Parcel>): Promise<Parcel> {
  return reply.catch((reason: unknown) => {
    throw ours(reason);
  });
}

/** An error of the library in our words: what its details say is read from their bytes. */
function ours(reason: unknown): unknown {
  if (!(reason instanceof ConnectError)) return reason;
  const details = reason.details.map((detail) =>
    'type' in detail
      ? Object.assign(new Any(), { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value })
      : new Any(),
  );
  return details.length === 0
    ? new OctavoError(codeOf(reason.code), reason.rawMessage)
    : unpackDetails(codeOf(reason.code), reason.rawMessage, details);
}
