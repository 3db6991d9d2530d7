/** What go-micro keeps its records under. */
export const PREFIX = '/micro/registry/';

/** The key of a node. Slashes are written as dashes, as go-micro does. */
export function recordKey(prefix: string, service: string, id: string): string {
  return servicePrefix(prefix, service) + id.replaceAll('/', '-');
}

/** What the keys of a service's nodes begin with; those of all services without one. Others may have the same: the record says whose it is. */
export function servicePrefix(prefix: string, service: string | undefined): string {
  return service === undefined ? prefix : `${prefix}${service.replaceAll('/', '-')}/`;
}
