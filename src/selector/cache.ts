import { Clock } from '../core/clock.js';
import type { Provider } from '../core/provider.js';
import { Registry } from '../registry/registry.js';
import {
  RegistrySelector,
  type RegistrySelectorOptions,
  type RegistrySelectorParts,
} from './registry-selector.js';
import type { Selector, Strategy } from './selector.js';
import { random } from './strategy.js';

export interface CacheSelectorOptions extends RegistrySelectorOptions {
  /** How a node is chosen. @defaultValue `random()` */
  readonly strategy?: Strategy;
}

export type CacheSelectorParts = RegistrySelectorParts;

/** Chooses any of the nodes that the registry remembers. */
export class CacheSelector extends RegistrySelector {
  readonly name = 'cache';

  constructor({ strategy = random(), ...options }: CacheSelectorOptions, parts: CacheSelectorParts) {
    super({ strategy, ...options }, parts);
  }
}

/** Chooses among what the registry remembers. */
export function cache(options: CacheSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new CacheSelector(options, { registry: resolve(Registry), clock: resolve(Clock) });
}
