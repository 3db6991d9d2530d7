import type { Node, ServiceRecord } from '../registry/registry.js';
import type { Filter } from './selector.js';
import { parseRange, parseVersion, satisfies } from './semver.js';

/** Keeps the versions that have an endpoint: `byEndpoint('Greeter.Hello')`. Make it once, as what a filter leaves is remembered by the function. */
export function byEndpoint(name: string): Filter {
  return (services) =>
    services.filter(({ endpoints }) => endpoints.some((endpoint) => endpoint.name === name));
}

/** Keeps one version. */
export function byVersion(version: string): Filter {
  return (services) => services.filter((service) => service.version === version);
}

/**
 * Keeps the versions in a range as npm writes it: `byVersionRange('^1.2.0')`. Versions that are none of semver's, such as `latest`, are in no range.
 *
 * @throws `invalid_argument` for text that is no range
 */
export function byVersionRange(range: string): Filter {
  const wanted = parseRange(range);
  return (services) =>
    services.filter(({ version: text }) => {
      const version = parseVersion(text);
      return version !== undefined && satisfies(version, wanted);
    });
}

/** Keeps the nodes whose metadata has this value under this key. */
export function byLabel(key: string, value: string): Filter {
  return keeping(({ metadata }) => metadata[key] === value);
}

export interface ZoneOptions {
  /** The name of the metadata that says a node's zone. @defaultValue `'zone'` */
  readonly key?: string;
  /** How many nodes there must be in the zone to do without the others. @defaultValue `1` */
  readonly least?: number;
}

/**
 * Keeps the nodes of one zone where there are enough, else all. It sees what is registered: to leave a zone whose nodes cannot be reached,
 * too, take the label selector.
 */
export function preferZone(zone: string, { key = 'zone', least = 1 }: ZoneOptions = {}): Filter {
  const inZone = byLabel(key, zone);
  return (services) => {
    const left = inZone(services);
    return left.reduce((count, { nodes }) => count + nodes.length, 0) >= least ? left : services;
  };
}

/** Keeps the nodes of which this holds, and the versions that are left with any. */
export function keeping(holds: (node: Node) => boolean): Filter {
  const narrowed = (service: ServiceRecord): ServiceRecord =>
    service.nodes.every(holds) ? service : { ...service, nodes: service.nodes.filter(holds) };
  return (services) => services.map(narrowed).filter(({ nodes }) => nodes.length > 0);
}
