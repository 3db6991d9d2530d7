import { Clock } from '../core/clock.js';
import type { Provider } from '../core/provider.js';
import { Registry } from '../registry/registry.js';
import {
  RegistrySelector,
  type RegistrySelectorOptions,
  type RegistrySelectorParts,
} from './registry-selector.js';
import type { Selector } from './selector.js';
import { random } from './strategy.js';

/** `strategy` is `random()` unless it is given. */
export type CacheSelectorOptions = RegistrySelectorOptions;

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
