import { formatAddress } from '../../core/address.js';
import type { Facts, NodeRecord } from '../node-record.js';
import { isObject } from '../record-json.js';
import { metadataOf } from './pods.js';

/** The label by which a slice belongs to a Service. */
const SERVICE_LABEL = 'kubernetes.io/service-name';
/** What a Service may say of its version: its labels are those of its slices too. */
const VERSION_LABEL = 'app.kubernetes.io/version';

/** Picks the slices of a Service, or of all. */
export function slicesOf(service: string | undefined): string {
  return service === undefined ? SERVICE_LABEL : `${SERVICE_LABEL}=${service}`;
}

/** Whether a Service can have this name. */
export function canBeService(name: string): boolean {
  return /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name);
}

/**
 * The endpoints of a slice that are ready, as nodes: at the port of this name, or the first of TCP.
 *
 * What Kubernetes says of the port's protocol and of the endpoint's zone is their metadata.
 */
export function nodesOfSlice(slice: unknown, portName: string | undefined): readonly NodeRecord[] {
  const { labels } = metadataOf(slice);
  if (!isObject(slice) || !isObject(labels)) return [];
  const { [SERVICE_LABEL]: name, [VERSION_LABEL]: version } = labels;
  const port = portOf(slice['ports'], portName);
  if (typeof name !== 'string' || port === undefined || slice['addressType'] === 'FQDN') return [];
  const service: Facts = {
    name,
    version: typeof version === 'string' && version !== '' ? version : 'latest',
    metadata: {},
    endpoints: [],
  };
  const { endpoints } = slice;
  if (!Array.isArray(endpoints)) return [];
  return endpoints.flatMap((endpoint) => {
    const at = isObject(endpoint) && isServing(endpoint) ? placeOf(endpoint) : undefined;
    if (at === undefined) return [];
    const metadata = { ...(port.protocol && { protocol: port.protocol }), ...(at.zone && { zone: at.zone }) };
    const node = { id: `${name}-${at.name}`, address: formatAddress(at.host, port.number), metadata };
    return [{ service, node }];
  });
}

interface Port {
  readonly number: number;
  readonly protocol: string | undefined;
}

function portOf(ports: unknown, name: string | undefined): Port | undefined {
  if (!Array.isArray(ports)) return undefined;
  for (const each of ports) {
    if (!isObject(each) || (each['protocol'] ?? 'TCP') !== 'TCP') continue;
    const { port, appProtocol } = each;
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) continue;
    if (name !== undefined && each['name'] !== name) continue;
    return { number: port, protocol: typeof appProtocol === 'string' ? appProtocol : undefined };
  }
  return undefined;
}

/** Kubernetes takes a condition that is not known for one that holds. */
function isServing({ conditions }: Readonly<Record<string, unknown>>): boolean {
  if (!isObject(conditions)) return true;
  return conditions['ready'] !== false && conditions['terminating'] !== true;
}

function placeOf(
  endpoint: Readonly<Record<string, unknown>>,
): { host: string; name: string; zone?: string } | undefined {
  const { addresses, targetRef, zone } = endpoint;
  const host: unknown = Array.isArray(addresses) ? addresses[0] : undefined;
  if (typeof host !== 'string' || host === '') return undefined;
  const pod = isObject(targetRef) ? targetRef['name'] : undefined;
  return {
    host,
    name: typeof pod === 'string' ? pod : host,
    ...(typeof zone === 'string' && { zone }),
  };
}
