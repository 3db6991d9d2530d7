import type { Context } from '../core/context.js';
import type { Metadata } from '../core/metadata.js';
import type { Access } from '../schema/access.js';
import type { Method, StreamKind } from '../schema/method.js';
import type { Call } from '../wrapper/wrapper.js';

type ServerCallInit = Pick<
  Call,
  'kind' | 'endpoint' | 'idempotent' | 'method' | 'subscriber' | 'broker' | 'access'
>;

/** A call on its way in: its request is decoded when it is first touched. */
export class ServerCall implements Call {
  readonly side = 'server';
  readonly kind: StreamKind | 'event';
  readonly service: string;
  readonly endpoint: string;
  readonly context: Context;
  readonly idempotent: boolean;
  readonly method: Method | undefined;
  readonly subscriber: string | undefined;
  readonly broker: string | undefined;
  readonly access: Access | undefined;
  #read: (() => unknown) | undefined;
  #request: unknown;

  /** @param read decodes and validates the request; called at most once */
  constructor(
    { kind, endpoint, idempotent, method, subscriber, broker, access = method?.access }: ServerCallInit,
    context: Context,
    read: () => unknown,
  ) {
    this.kind = kind;
    this.service = context.service;
    this.endpoint = endpoint;
    this.idempotent = idempotent;
    this.method = method;
    this.subscriber = subscriber;
    this.broker = broker;
    this.access = access;
    this.context = context;
    this.#read = read;
  }

  get metadata(): Metadata {
    return this.context.metadata;
  }

  get request(): unknown {
    const read = this.#read;
    if (read !== undefined) {
      this.#request = read();
      this.#read = undefined;
    }
    return this.#request;
  }
}
