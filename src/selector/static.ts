import type { Provider } from '../core/provider.js';
import type { Node } from '../registry/registry.js';
import { Selector, type NextNode } from './selector.js';

export interface StaticSelectorOptions {
  /** Put behind the name of a service, with a dot: `default.svc.cluster.local`. @defaultValue none */
  readonly domain?: string;
  /** The port of every service. @defaultValue `8080` */
  readonly port?: number;
}

/**
 * Makes an address of a service's name, a domain and a port, and asks nobody: for the DNS of Kubernetes, where a name stands for all nodes of a service.
 *
 * Source: go-micro plugins v4 `selector/static`.
 */
export class StaticSelector extends Selector {
  readonly name = 'static';
  readonly #behind: string;

  constructor({ domain = '', port = 8080 }: StaticSelectorOptions = {}) {
    super();
    this.#behind = `${domain === '' ? '' : `.${domain}`}:${port}`;
  }

  start(): void {
    // There is nothing to open.
  }

  stop(): void {
    // There is nothing to close.
  }

  select(service: string): NextNode {
    const node: Node = { id: service, address: `${service}${this.#behind}`, metadata: {} };
    return () => node;
  }

  mark(): void {
    // There is one node of each service, whatever becomes of it.
  }

  reset(): void {
    // It learns nothing.
  }
}

/** Makes an address of a service's name. (`static` is no name for a function.) */
export function staticSelector(options?: StaticSelectorOptions): Provider<Selector> {
  return () => new StaticSelector(options);
}
