import type { Context } from '../../core/context.js';
import { CODES, OctavoError } from '../../core/error.js';
import { fileDescriptors, type FileDescriptor } from '../../schema/file-descriptor.js';
import type { Method } from '../../schema/method.js';
import type { ProtoMethod } from '../../schema/proto-file.js';
import type { Endpoint } from '../server.js';
import { grpcName } from './names.js';
import {
  reflectionMessages,
  type ReflectionRequest,
  type ReflectionResponse,
} from './reflection-messages.js';

const PACKAGES = ['grpc.reflection.v1', 'grpc.reflection.v1alpha'];

/** What there is to tell of. */
interface Known {
  /** By path. */
  readonly files: ReadonlyMap<string, FileDescriptor>;
  /** The file of each full name. */
  readonly symbols: ReadonlyMap<string, FileDescriptor>;
  readonly services: readonly string[];
  readonly messages: ReadonlySet<string>;
}

/** Answers `grpc.reflection.v1.ServerReflection` and its `v1alpha`: what services and messages there are, as descriptors made from the classes. */
export class Reflection {
  readonly #methods: () => readonly Method[];
  readonly #callers = new Set<Context>();
  #known: Known | undefined;

  /** @param methods all that is to be told of */
  constructor(methods: () => readonly Method[]) {
    this.#methods = methods;
  }

  get endpoints(): readonly Endpoint[] {
    return PACKAGES.map((pack) => {
      const { request, response } = reflectionMessages(pack);
      return {
        method: {
          property: 'serverReflectionInfo',
          endpoint: `${pack}.ServerReflection.ServerReflectionInfo`,
          package: '',
          kind: 'bidi',
          request,
          reply: response,
          options: { internal: true, stream: 'bidi' },
        },
        // What the endpoint reads is what it declares.
        handler: (requests, context) => this.#answer(requests as AsyncIterable<ReflectionRequest>, context),
        wrappers: [],
      };
    });
  }

  /** Ends what callers keep open, which a server that stops would wait for. */
  end(reason: OctavoError): void {
    for (const context of this.#callers) context.cancel(reason);
  }

  async *#answer(
    requests: AsyncIterable<ReflectionRequest>,
    context: Context,
  ): AsyncIterable<ReflectionResponse> {
    this.#callers.add(context);
    const sent = new Set<string>();
    try {
      for await (const request of requests)
        yield { valid_host: request.host, original_request: request, ...this.#one(request, sent) };
    } finally {
      this.#callers.delete(context);
    }
  }

  #one(request: ReflectionRequest, sent: Set<string>): Partial<ReflectionResponse> {
    const known = (this.#known ??= knownOf(this.#methods()));
    const { files, symbols, services, messages } = known;
    const {
      file_by_filename: path,
      file_containing_symbol: symbol,
      file_containing_extension: extension,
      all_extension_numbers_of_type: type,
    } = request;
    if (path !== undefined) return found(files.get(path), known, sent, `file ${path}`);
    if (symbol !== undefined)
      return found(symbols.get(symbol.replace(/^\./, '')), known, sent, `symbol ${symbol}`);
    // proto3 has no extensions of one's own.
    if (extension !== undefined)
      return missing(`extension ${extension.extension_number} of ${extension.containing_type}`);
    if (type !== undefined)
      return messages.has(type)
        ? { all_extension_numbers_response: { base_type_name: type } }
        : missing(`message ${type}`);
    if (request.list_services !== undefined)
      return { list_services_response: { service: services.map((name) => ({ name })) } };
    return failed('invalid_argument', 'the request asks for nothing');
  }
}

/** A file, and with it those that it imports and that the caller was not given yet. */
function found(
  file: FileDescriptor | undefined,
  { files }: Known,
  sent: Set<string>,
  what: string,
): Partial<ReflectionResponse> {
  if (file === undefined) return missing(what);
  const given = new Set([file]);
  // A set's loop also visits what is added on the way.
  for (const { imports } of given)
    for (const path of imports) {
      const imported = files.get(path);
      if (imported !== undefined && !sent.has(path)) given.add(imported);
    }
  for (const { path } of given) sent.add(path);
  return { file_descriptor_response: { file_descriptor_proto: [...given].map(({ bytes }) => bytes) } };
}

function missing(what: string): Partial<ReflectionResponse> {
  return failed('not_found', `there is no ${what.slice(0, 200)}`);
}

function failed(code: 'not_found' | 'invalid_argument', message: string): Partial<ReflectionResponse> {
  return { error_response: { error_code: CODES[code].grpc, error_message: message } };
}

function knownOf(methods: readonly Method[]): Known {
  const byService = new Map<string, ProtoMethod[]>();
  for (const each of methods) {
    const { service, method: name } = grpcName(each);
    const { request, reply, kind } = each;
    byService.set(service, [...(byService.get(service) ?? []), { name, request, reply, kind }]);
  }
  const services = [...byService].map(([name, all]) => ({ name, methods: all }));
  const descriptors = fileDescriptors([], services);
  return {
    files: new Map(descriptors.map((file) => [file.path, file])),
    symbols: new Map(descriptors.flatMap((file) => file.symbols.map((symbol) => [symbol, file]))),
    services: [...byService.keys()].sort(),
    messages: new Set(descriptors.flatMap((file) => file.messages)),
  };
}
