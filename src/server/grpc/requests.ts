import type { Pulse } from '../../core/pulse.js';
import type { Inflow } from './inflow.js';

/** The items that a caller sends on a stream, decoded one by one as the handler asks for them. */
export class GrpcRequests implements AsyncIterableIterator<unknown> {
  readonly #inflow: Inflow;
  readonly #decode: (body: Uint8Array) => unknown;
  readonly #pulse: Pulse;
  #left = false;

  constructor(inflow: Inflow, decode: (body: Uint8Array) => unknown, pulse: Pulse) {
    this.#inflow = inflow;
    this.#decode = decode;
    this.#pulse = pulse;
  }

  async next(): Promise<IteratorResult<unknown>> {
    const body = this.#left ? undefined : await this.#inflow.next();
    if (body === undefined) return { done: true, value: undefined };
    this.#pulse.active();
    return { done: false, value: this.#decode(body) };
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#left = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
