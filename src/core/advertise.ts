import { networkInterfaces } from 'node:os';
import { formatAddress, isLoopback, isUnspecified, parseAddress } from './address.js';
import { OctavoError } from './error.js';

/** What a user says of where something listens. */
export interface AdvertiseOptions {
  /** Where to listen. */
  readonly address?: string;
  /** What others are told to dial, `host` or `host:port`. */
  readonly advertise?: string;
}

/** Who is told: a registry. */
export interface Told {
  readonly name: string;
  readonly local: boolean;
}

/**
 * What others are told to dial: what the user says, else the bound address, where "every interface" becomes the first private one.
 *
 * @param variable the environment variable that says where to listen
 * @throws `failed_precondition` when a loopback address, bound only by default, would go to other hosts: they would dial themselves
 */
export function advertised(
  bound: string,
  options: AdvertiseOptions,
  registry: Told,
  variable = 'MICRO_SERVER_ADDRESS',
): string {
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
        `set ${variable} (such as 0.0.0.0:0), or advertise`,
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
