import type { Token } from '../core/provider.js';
import { attach } from '../wrapper/attach.js';
import type { Wrapper } from '../wrapper/wrapper.js';
import {
  Client,
  type CallOptions,
  type CallRequest,
  type ClientOptions,
  type ClientStream,
  type PublishCallOptions,
  type PublishRequest,
  type StreamRequest,
} from './client.js';

/** A client whose calls go through more wrappers: inside of its own, outside of those that a call is given. */
export class WrappedClient extends Client {
  readonly name: string;
  readonly options: ClientOptions;
  /** The class of clients whose wrappers they are. */
  readonly of: Token<unknown>;
  readonly #inner: Client;
  readonly #wrappers: readonly Wrapper[];

  /** @throws `failed_precondition` for a wrapper that cannot stand around calls */
  constructor(inner: Client, of: Token<unknown>, wrappers: readonly Wrapper[]) {
    super();
    attach(wrappers, { around: 'call', name: of.name });
    this.name = inner.name;
    this.options = inner.options;
    this.of = of;
    this.#inner = inner;
    this.#wrappers = wrappers;
  }

  call(request: CallRequest, options?: CallOptions): Promise<unknown> {
    return this.#inner.call(request, this.#inside(options));
  }

  stream(request: StreamRequest, options?: CallOptions): ClientStream {
    return this.#inner.stream(request, this.#inside(options));
  }

  publish(request: PublishRequest, options?: PublishCallOptions): Promise<void> {
    return this.#inner.publish(request, options);
  }

  start(): void {
    // The client behind it is somebody else's.
  }

  stop(): void {
    // As above.
  }

  #inside(options: CallOptions | undefined): CallOptions {
    const wrappers = this.#wrappers;
    if (options?.wrappers === undefined) return { ...options, wrappers };
    return { ...options, wrappers: [...wrappers, ...options.wrappers] };
  }
}
