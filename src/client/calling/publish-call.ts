import type { Context } from '../../core/context.js';
import type { Metadata } from '../../core/metadata.js';
import type { Call } from '../../wrapper/wrapper.js';
import type { PublishCallOptions, PublishRequest } from '../client.js';
import { aborted } from './client-call.js';

export interface PublishCallInit {
  readonly event: PublishRequest & { readonly contentType: string };
  readonly context: Context;
  readonly options: PublishCallOptions;
  /** The name of the broker that gets it. */
  readonly broker: string;
}

/** An event on its way to the broker, as wrappers see it. It is encoded inside them. */
export class PublishCall implements Call {
  readonly side = 'client';
  readonly kind = 'event';
  readonly service = '';
  readonly endpoint: string;
  readonly idempotent = false;
  readonly context: Context;
  readonly request: unknown;
  readonly broker: string;
  readonly event: PublishCallInit['event'];
  readonly options: PublishCallOptions;
  readonly #abort: () => void;

  constructor({ event, context, options, broker }: PublishCallInit) {
    const { signal } = options;
    this.endpoint = event.topic;
    this.context = context;
    this.request = event.body;
    this.broker = broker;
    this.event = event;
    this.options = options;
    this.#abort = () => context.cancel(aborted(signal?.reason));
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  get metadata(): Metadata {
    return this.context.metadata;
  }

  /** The broker has it, or has not: nothing can be given up any more. */
  end(): void {
    this.options.signal?.removeEventListener('abort', this.#abort);
    this.context.end();
  }
}
