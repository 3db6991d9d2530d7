import { networkInterfaces } from 'node:os';
import { formatAddress, isLoopback, isUnspecified, parseAddress } from '../../core/address.js';
import { OctavoError } from '../../core/error.js';
import type { Registry } from '../../registry/registry.js';
import type { ServerOptions } from '../server.js';

/**
 * What others are told to dial: what the user says, else the bound address, where "every interface" becomes the first private one.
 *
 * @throws `failed_precondition` when a loopback address, bound only by default, would go to other hosts: they would dial themselves
 */
export function advertised(bound: string, options: ServerOptions, registry: Registry): string {
  if (!/:\d+$/.test(bound)) return bound;
  const { host, port } = parseAddress(bound);
  if (options.advertise !== undefined) {
    const told = /:\d+$/.test(options.advertise)
      ? parseAddress(options.advertise)
      : { host: options.advertise, port };
    return formatAddress(told.host.replaceAll(/[[\]]/g, ''), told.port === 0 ? port : told.port);
  }
  if (isUnspecified(host)) return formatAddress(reachable(), port);
  if (isLoopback(host) && !registry.local && options.address === undefined)
    throw new OctavoError(
      'failed_precondition',
      `${bound} is a loopback address, and the registry "${registry.name}" tells it to other hosts, who would dial themselves: ` +
        'set MICRO_SERVER_ADDRESS (such as 0.0.0.0:0), or advertise',
    );
  return bound;
}

/** An address of this machine that others may reach: private first, then public, then loopback, as in go-micro. */
function reachable(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outside = all
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .map(({ address }) => address);
  return outside.find((address) => PRIVATE.test(address)) ?? outside[0] ?? '127.0.0.1';
}

const PRIVATE = /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/;
