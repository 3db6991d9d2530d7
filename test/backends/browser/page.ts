// What runs in the page: the real clients of @connectrpc/connect-web, whose service is known by its descriptors only.
import { createFileRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';

/** How a page calls. */
export interface PageCall {
  /** Where the service is. */
  readonly baseUrl: string;
  readonly protocol: 'connect' | 'grpc-web';
  readonly binary: boolean;
  /** Whether idempotent calls go by GET. */
  readonly get?: boolean;
  readonly method: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Aborts after so many items. */
  readonly abortAfter?: number;
}

/** What became of a call, as a page can tell it. */
export interface PageOutcome {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly header: Readonly<Record<string, string>>;
  readonly trailer: Readonly<Record<string, string>>;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly details: readonly { readonly type: string; readonly value: string }[];
  };
}

type Item = Readonly<Record<string, unknown>>;
type Method = (request: unknown, options: unknown) => Promise<Item> & AsyncIterable<Item>;

/** Gives the page what protoc said of the service. */
function ready(set: string, name: string, idempotent: readonly string[]): void {
  const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, base64Decode(set))).getService(name);
  if (service === undefined) throw new Error(`there is no ${name}`);
  for (const method of service.methods)
    if (idempotent.includes(method.localName)) Object.assign(method, { idempotency: 1 });
  Object.assign(globalThis, { call });

  async function call(told: PageCall): Promise<PageOutcome> {
    const items: Item[] = [];
    const header: Record<string, string> = {};
    const trailer: Record<string, string> = {};
    const abort = new AbortController();
    const desc = service?.methods.find(({ localName }) => localName === told.method);
    const options = {
      headers: told.headers,
      timeoutMs: told.timeoutMs,
      signal: abort.signal,
      onHeader: (given: Headers) => given.forEach((value, key) => (header[key] = value)),
      onTrailer: (given: Headers) => given.forEach((value, key) => (trailer[key] = value)),
    };
    try {
      if (service === undefined || desc === undefined) throw new Error(`there is no ${told.method}`);
      const client = createClient(service, transportOf(told)) as unknown as Readonly<Record<string, Method>>;
      const method = client[told.method];
      if (method === undefined) throw new Error(`there is no ${told.method}`);
      const plain = (item: Item): Item => toJson(desc.output, item as never) as Item;
      if (desc.methodKind === 'unary') items.push(plain(await method(told.request, options)));
      else
        for await (const item of method(told.request, options)) {
          items.push(plain(item));
          if (items.length === told.abortAfter) abort.abort();
        }
      return { items, header, trailer };
    } catch (reason) {
      const { code, rawMessage, details } = ConnectError.from(reason);
      const told = details.flatMap((detail) =>
        'type' in detail ? [{ type: detail.type, value: btoa(String.fromCharCode(...detail.value)) }] : [],
      );
      const error = { code: Code[code], message: rawMessage, details: told };
      return { items, header, trailer, error };
    }
  }
}

function transportOf({ baseUrl, protocol, binary, get = false }: PageCall): Transport {
  if (protocol === 'grpc-web') return createGrpcWebTransport({ baseUrl, useBinaryFormat: binary });
  return createConnectTransport({ baseUrl, useBinaryFormat: binary, useHttpGet: get });
}

Object.assign(globalThis, { ready });
