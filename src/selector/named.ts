import type { Provider } from '../core/provider.js';
import type { Node } from '../registry/registry.js';
import { Selector, type NextNode } from './selector.js';

/**
 * Takes a service's name for its address, and asks nobody: for transports on a bus, where many servers listen under one name and the bus chooses.
 *
 * Source: go-plugins v0.20.1 `selector/named`.
 */
export class NamedSelector extends Selector {
  readonly name = 'named';

  start(): void {
    // There is nothing to open.
  }

  stop(): void {
    // There is nothing to close.
  }

  select(service: string): NextNode {
    const node: Node = { id: service, address: service, metadata: {} };
    return () => node;
  }

  mark(): void {
    // There is one node of each service, whatever becomes of it.
  }

  reset(): void {
    // It learns nothing.
  }
}

/** Takes a service's name for its address. */
export function named(): Provider<Selector> {
  return () => new NamedSelector();
}
