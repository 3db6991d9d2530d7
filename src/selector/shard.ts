import { Clock } from '../core/clock.js';
import type { Provider } from '../core/provider.js';
import { Registry } from '../registry/registry.js';
import {
  RegistrySelector,
  type RegistrySelectorOptions,
  type RegistrySelectorParts,
} from './registry-selector.js';
import { Rendezvous } from './rendezvous.js';
import type { SelectOptions, Selector, Strategy } from './selector.js';
import { random } from './strategy.js';

export interface ShardSelectorOptions extends RegistrySelectorOptions {
  /** The name of the metadata whose value is a call's key. @defaultValue `'shard-key'` */
  readonly key?: string;
}

/**
 * Sends calls of one key to one node, and to the next best where that was tried or cannot be reached. A call without a key goes where the strategy says.
 *
 * Source: go-micro plugins v4 `selector/shard`, and its `wrapper/select/shard` for where the key is.
 */
export class ShardSelector extends RegistrySelector {
  readonly name = 'shard';
  readonly #key: string;
  readonly #rendezvous = new Rendezvous();

  constructor(
    { key = 'shard-key', strategy = random(), ...options }: ShardSelectorOptions,
    parts: RegistrySelectorParts,
  ) {
    super({ strategy, ...options }, parts);
    this.#key = key;
  }

  protected override strategyFor(_service: string, { call }: SelectOptions): Strategy | undefined {
    const key = call?.metadata.get(this.#key);
    return key === undefined ? undefined : (_, nodes) => this.#rendezvous.choose(key, nodes);
  }
}

/** Sends calls of one key to one node. */
export function shard(options: ShardSelectorOptions = {}): Provider<Selector> {
  return (resolve) => new ShardSelector(options, { registry: resolve(Registry), clock: resolve(Clock) });
}
