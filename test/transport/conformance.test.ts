import { describe, test } from 'node:test';
import { SystemClock } from '../../src/core/system-clock.js';
import { HttpTransport } from '../../src/transport/http.js';
import { MemoryTransport } from '../../src/transport/memory.js';
import {
  Transport,
  type DialOptions,
  type ListenOptions,
  type Socket,
} from '../../src/transport/transport.js';
import { conform } from '../conformance/conform.js';
import { transportSuite } from '../conformance/transport.js';

describe('HttpTransport', () => {
  conform(test, transportSuite, () => new HttpTransport({}, { clock: new SystemClock() }));
});

describe('MemoryTransport', () => {
  conform(test, transportSuite, () => new MemoryTransport());
});

/** Another transport, seen through a class of its own. */
class Wrapped extends Transport {
  readonly #inner: Transport;
  constructor(inner: Transport) {
    super();
    this.#inner = inner;
  }
  get name(): string {
    return this.#inner.name;
  }
  get options(): Transport['options'] {
    return this.#inner.options;
  }
  get streams(): boolean {
    return this.#inner.streams;
  }
  dial(address: string, options?: DialOptions): ReturnType<Transport['dial']> {
    return this.#inner.dial(address, options);
  }
  listen(
    address: string,
    accept: (socket: Socket) => void,
    options?: ListenOptions,
  ): ReturnType<Transport['listen']> {
    return this.#inner.listen(address, accept, options);
  }
  start(): ReturnType<Transport['start']> {
    return this.#inner.start();
  }
  stop(): ReturnType<Transport['stop']> {
    return this.#inner.stop();
  }
}

describe('a wrapped HttpTransport', () => {
  conform(test, transportSuite, () => new Wrapped(new HttpTransport({}, { clock: new SystemClock() })));
});
