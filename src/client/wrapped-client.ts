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

/** A client whose calls, or events, go through more wrappers: inside of its own, outside of those that a call or an event is given. */
export class WrappedClient extends Client {
  readonly name: string;
  readonly options: ClientOptions;
  /** The class of clients whose wrappers they are. */
  readonly of: Token<unknown>;
  readonly wrappers: readonly Wrapper[];
  readonly #inner: Client;

  /** @throws `failed_precondition` for a wrapper that cannot stand there */
  constructor(inner: Client, of: Token<unknown>, wrappers: readonly Wrapper[], around: 'call' | 'publish') {
    super();
    attach(wrappers, { around, name: of.name });
    this.name = inner.name;
    this.options = inner.options;
    this.of = of;
    this.#inner = inner;
    this.wrappers = wrappers;
  }

  call(request: CallRequest, options?: CallOptions): Promise<unknown> {
    return this.#inner.call(request, this.#inside(options));
  }

  stream(request: StreamRequest, options?: CallOptions): ClientStream {
    return this.#inner.stream(request, this.#inside(options));
  }

  publish(request: PublishRequest, options?: PublishCallOptions): Promise<void> {
    return this.#inner.publish(request, this.#inside(options));
  }

  start(): void {
    // The client behind it is somebody else's.
  }

  stop(): void {
    // As above.
  }

  #inside<Options extends CallOptions | PublishCallOptions>(options: Options | undefined): Options {
    const own = options?.wrappers;
    const wrappers = own === undefined ? this.wrappers : [...this.wrappers, ...own];
    // Either kind of options has wrappers, and what is given besides stays.
    return { ...options, wrappers } as Options;
  }
}
