import type { Node, ServiceRecord } from '../registry/registry.js';
import type { Filter } from './selector.js';

/** Keeps the versions that have an endpoint: `byEndpoint('Greeter.Hello')`. Make it once, as what a filter leaves is remembered by the function. */
export function byEndpoint(name: string): Filter {
  return (services) =>
    services.filter(({ endpoints }) => endpoints.some((endpoint) => endpoint.name === name));
}

/** Keeps one version. */
export function byVersion(version: string): Filter {
  return (services) => services.filter((service) => service.version === version);
}

/** Keeps the nodes whose metadata has this value under this key. */
export function byLabel(key: string, value: string): Filter {
  return keeping(({ metadata }) => metadata[key] === value);
}

/** Keeps the nodes of which this holds, and the versions that are left with any. */
export function keeping(holds: (node: Node) => boolean): Filter {
  const narrowed = (service: ServiceRecord): ServiceRecord =>
    service.nodes.every(holds) ? service : { ...service, nodes: service.nodes.filter(holds) };
  return (services) => services.map(narrowed).filter(({ nodes }) => nodes.length > 0);
}
