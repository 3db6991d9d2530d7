import { Clock } from '../core/clock.js';
import type { OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import { Registry, type Node } from '../registry/registry.js';
import { isAgainstNode } from './blame.js';
import { Loads } from './p2c/loads.js';
import { RegistrySelector, type RegistrySelectorParts } from './registry-selector.js';
import type { Selector } from './selector.js';

export interface P2cSelectorOptions {
  /** For how long a node that could not be reached is left out while there are others, in milliseconds. @defaultValue `5_000` */
  readonly asideMs?: number;
  /** How fast what was measured is forgotten, in milliseconds: after so long it counts a third, so that a node that was slow gets calls again. @defaultValue `10_000` */
  readonly decayMs?: number;
  /** How long an attempt counts as having taken at least, where it failed by the fault of its node, in milliseconds. @defaultValue `1_000` */
  readonly failureMs?: number;
}

/**
 * The power of two choices: of two nodes at random, the one that would answer sooner, by how long it took lately and how much is under way there.
 *
 * A strategy that a call names is used instead. Source: Mitzenmacher 2001; Finagle's peak EWMA, which is quick to believe the worst.
 */
export class P2cSelector extends RegistrySelector {
  readonly name = 'p2c';
  readonly #loads: Loads;
  readonly #failureMs: number;

  constructor(
    { decayMs = 10_000, failureMs = 1_000, ...options }: P2cSelectorOptions,
    parts: RegistrySelectorParts,
  ) {
    super({ ...options, strategy: (service, nodes) => this.#better(service, nodes) }, parts);
    this.#loads = new Loads(decayMs);
    this.#failureMs = failureMs;
  }

  override mark(service: string, node: Node, error?: OctavoError): void {
    super.mark(service, node, error);
    const atLeastMs = error !== undefined && isAgainstNode(error) ? this.#failureMs : 0;
    this.#loads.ended(service, node, this.clock.now(), atLeastMs);
  }

  override reset(service: string): void {
    super.reset(service);
    this.#loads.forget(service);
  }

  override stop(): void {
    super.stop();
    this.#loads.clear();
  }

  protected override began(service: string, node: Node): void {
    super.began(service, node);
    this.#loads.began(service, node, this.clock.now());
  }

  #better(service: string, nodes: readonly Node[]): Node {
    const first = Math.floor(Math.random() * nodes.length);
    // Another one, each of them as likely as the others.
    const second = (first + 1 + Math.floor(Math.random() * (nodes.length - 1))) % nodes.length;
    // A strategy is given at least one node.
    const [a, b] = [nodes[first] as Node, nodes[second] as Node];
    const now = this.clock.now();
    return this.#loads.cost(service, a, now) <= this.#loads.cost(service, b, now) ? a : b;
  }
}

/** Chooses the better of two nodes at random. */
export function p2c(options: P2cSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new P2cSelector(options, { registry: resolve(Registry), clock: resolve(Clock) });
}
