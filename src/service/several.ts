import { OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import type { Registry } from '../registry/registry.js';

/** What makes a registry that is chosen by name, at these addresses. */
export type RegistryLoader = (addresses: readonly string[] | undefined) => Promise<Provider<Registry>>;

/**
 * Several registries as one, written to and read: `etcd=127.0.0.1:2379`, `etcd=127.0.0.1:2380`, `consul`.
 *
 * @throws `failed_precondition` for none, and for a name that is not known
 */
export async function several(
  known: Readonly<Record<string, RegistryLoader>>,
  members: readonly string[] = [],
): Promise<Provider<Registry>> {
  const addresses = new Map<string, string[]>();
  for (const member of members) {
    const [, name = '', address] = /^([^=]*)(?:=(.*))?$/s.exec(member) ?? [];
    if (name === 'multi' || !Object.hasOwn(known, name))
      throw refused(`there is no registry "${name}" to be one of several`);
    const of = addresses.get(name) ?? [];
    addresses.set(name, address === undefined ? of : [...of, address]);
  }
  if (addresses.size === 0) throw refused('it names none');
  const made = [...addresses].flatMap(([name, at]) => known[name]?.(at.length === 0 ? undefined : at) ?? []);
  const write = await Promise.all(made);
  return (await import('../registry/multi.js')).multi({ write });
}

function refused(why: string): OctavoError {
  return new OctavoError(
    'failed_precondition',
    `MICRO_REGISTRY is "multi", and of MICRO_REGISTRY_ADDRESS ${why}: it takes names and addresses, such as etcd=127.0.0.1:2379,consul`,
  );
}
