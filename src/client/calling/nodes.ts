import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Node } from '../../registry/registry.js';
import { keeping } from '../../selector/filter.js';
import type { Filter, NextNode, Selector } from '../../selector/selector.js';
import type { ClientCall } from './client-call.js';

/** How long a call with `waitForReady` waits before it asks for a node again. */
const ASK_AGAIN_MS = 100;

const NONE: ReadonlySet<string> = new Set();
const NOTHING = Object.freeze({});

/** Finds the node for each attempt of a call: among those that the client can speak to, or where the call says. */
export class Nodes {
  readonly #selector: Selector;
  readonly #clock: Clock;
  /** The same list each time, so that selectors can remember what it leaves. */
  readonly #reachable: readonly [Filter];
  #turn = 0;

  /** @param speaks whether the client can speak to a node */
  constructor(selector: Selector, clock: Clock, speaks: (node: Node) => boolean) {
    this.#selector = selector;
    this.#clock = clock;
    this.#reachable = [keeping(speaks)];
  }

  /** A node, at once where the registry remembers some. */
  next(call: ClientCall, tried: ReadonlySet<string> = NONE): MaybePromise<Node> {
    const { address, waitForReady } = call.options;
    if (address !== undefined) return this.#addressed(address, tried);
    if (waitForReady === true) return this.#patiently(call, tried);
    const next = this.#select(call);
    return isPromise(next) ? next.then((choose) => choose(tried)) : next(tried);
  }

  /** Whether there is a node that this call has not tried. */
  async others(call: ClientCall, tried: ReadonlySet<string>): Promise<boolean> {
    const { address } = call.options;
    if (address !== undefined) return listed(address).some((each) => !tried.has(each));
    try {
      return !tried.has((await this.#select(call, true))(tried).id);
    } catch {
      return false;
    }
  }

  /** A node, when there is one. */
  async #patiently(call: ClientCall, tried: ReadonlySet<string>): Promise<Node> {
    for (;;) {
      try {
        return (await this.#select(call))(tried);
      } catch (reason) {
        const error = OctavoError.from(reason);
        if (error.code !== 'unavailable') throw error;
        call.waitsFor(error.message);
        await this.#clock.sleep(ASK_AGAIN_MS, call.context.signal);
      }
    }
  }

  #select(call: ClientCall, probe = false): MaybePromise<NextNode> {
    const { filters, strategy } = call.options;
    const all = filters === undefined ? this.#reachable : [...this.#reachable, ...filters];
    const options = { filters: all, call, probe };
    return this.#selector.select(call.service, strategy === undefined ? options : { ...options, strategy });
  }

  /** One of the addresses that the caller gave, in turn, and one that was not tried where there is any. */
  #addressed(address: string | readonly string[], tried: ReadonlySet<string>): Node {
    if (typeof address === 'string') return at(address);
    const all = listed(address);
    const untried = all.filter((each) => !tried.has(each));
    const left = untried.length > 0 ? untried : all;
    const one = left[this.#turn++ % left.length];
    if (one === undefined)
      throw new OctavoError(
        'invalid_argument',
        'the call option "address" is an empty list: name an address, or leave it out',
      );
    return at(one);
  }
}

/** A node of which nobody knows more than where it is. */
function at(address: string): Node {
  return { id: address, address, metadata: NOTHING };
}

function listed(address: string | readonly string[]): readonly string[] {
  return typeof address === 'string' ? [address] : address;
}

/** Whether a node says that it is go-micro's. */
export function isGoMicro({ metadata }: Node): boolean {
  return metadata['protocol'] !== undefined && metadata['octavo'] === undefined;
}
