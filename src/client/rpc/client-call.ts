import type { Context, Peer } from '../../core/context.js';
import type { Metadata } from '../../core/metadata.js';
import type { Method, StreamKind } from '../../schema/method.js';
import type { Call } from '../../wrapper/wrapper.js';
import type { CallOptions } from '../client.js';
import type { History } from './history.js';

export interface ClientCallInit {
  readonly kind: StreamKind;
  readonly service: string;
  readonly endpoint: string;
  readonly context: Context;
  readonly request: unknown;
  readonly contentType: string;
  readonly method: Method | undefined;
  readonly options: CallOptions;
  /** Lets go of what the call holds: its timer, its place under the call around it. */
  readonly done: () => void;
}

/** A call on its way out. */
export class ClientCall implements Call {
  readonly side = 'client';
  readonly kind: StreamKind;
  readonly service: string;
  readonly endpoint: string;
  readonly context: Context;
  readonly request: unknown;
  readonly contentType: string;
  readonly method: Method | undefined;
  readonly options: CallOptions;
  readonly idempotent: boolean;
  readonly done: () => void;
  peer?: Peer;
  /** The attempts that failed, where any did. */
  history?: History;
  #waitsFor = 'a node';
  #waitsAt = '';

  constructor(init: ClientCallInit) {
    this.kind = init.kind;
    this.service = init.service;
    this.endpoint = init.endpoint;
    this.context = init.context;
    this.request = init.request;
    this.contentType = init.contentType;
    this.method = init.method;
    this.options = init.options;
    this.done = init.done;
    this.idempotent = init.method?.options.idempotent === true;
  }

  /** What the call waits for, and where, for the error of a deadline. */
  get waiting(): string {
    const place = this.#waitsAt === '' ? this.#waitsFor : `${this.#waitsFor} ${this.#waitsAt}`;
    return this.history === undefined ? place : `${place}, after ${this.history.text}`;
  }

  waitsFor(what: string, where = ''): void {
    this.#waitsFor = what;
    this.#waitsAt = where;
  }

  get metadata(): Metadata {
    return this.context.metadata;
  }
}
