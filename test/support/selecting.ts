import { MemoryRegistry } from '../../src/registry/memory.js';
import type { Node, ServiceRecord } from '../../src/registry/registry.js';
import type { RegistrySelectorParts } from '../../src/selector/registry-selector.js';
import type { SelectOptions, Selector } from '../../src/selector/selector.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

/** A registry and a clock for one selector. */
export function selecting(): RegistrySelectorParts & {
  readonly clock: VirtualClock;
  readonly registry: MemoryRegistry;
} {
  const clock = new VirtualClock();
  return { clock, registry: new MemoryRegistry({}, { clock }) };
}

export function nodeOf(id: string, metadata: Node['metadata'] = {}): Node {
  return { id, address: `127.0.0.1:${4_000 + id.charCodeAt(0)}`, metadata };
}

export function greeter(nodes: readonly Node[], version = '1'): ServiceRecord {
  return { name: 'greeter', version, metadata: {}, endpoints: [], nodes };
}

/** How often each node was chosen, by id. Attempts end in order at once. */
export async function tally(
  selector: Selector,
  times: number,
  options: SelectOptions = {},
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let n = 0; n < times; n++) {
    const node = (await selector.select('greeter', options))();
    counts[node.id] = (counts[node.id] ?? 0) + 1;
    selector.mark('greeter', node);
  }
  return counts;
}

/** The ids in the order in which one call tries them. */
export async function order(
  selector: Selector,
  count: number,
  options: SelectOptions = {},
): Promise<string[]> {
  const next = await selector.select('greeter', options);
  const tried = new Set<string>();
  for (let n = 0; n < count; n++) tried.add(next(tried).id);
  return [...tried];
}
